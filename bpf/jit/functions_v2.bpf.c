// SPDX-License-Identifier: GPL-2.0
/* functions_v2 - the functions as BPF programs, compiled for -mcpu=v2: with unsigned comparisons in both directions (Linux 4.14) */
#include "functions.bpf.h"
