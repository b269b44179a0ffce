// SPDX-License-Identifier: GPL-2.0
/* functions_rolled - the functions as a program of user space, compiled as the kernel module is, but no loop is unrolled */
#include "user.h"
