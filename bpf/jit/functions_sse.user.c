// SPDX-License-Identifier: GPL-2.0
/* functions_sse - the functions as a program of user space, compiled with SSE2, which every x86-64 has and the kernel does not use */
#include "user.h"
