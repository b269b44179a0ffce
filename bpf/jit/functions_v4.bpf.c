// SPDX-License-Identifier: GPL-2.0
/* functions_v4 - the functions as BPF programs, compiled for -mcpu=v4: with signed loads, moves and divisions, and byte swaps (Linux 6.6) */
#include "functions.bpf.h"
