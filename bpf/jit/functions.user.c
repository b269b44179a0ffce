// SPDX-License-Identifier: GPL-2.0
/* functions - the functions as a program of user space, compiled as the kernel module is: without vector instructions */
#include "user.h"
