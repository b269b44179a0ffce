// SPDX-License-Identifier: GPL-2.0
/* functions_v3 - the functions as BPF programs, compiled for -mcpu=v3: with 32-bit arithmetic and jumps (Linux 5.1) */
#include "functions.bpf.h"
