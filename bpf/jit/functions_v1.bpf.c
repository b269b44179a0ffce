// SPDX-License-Identifier: GPL-2.0
/* functions_v1 - the functions as BPF programs, compiled for -mcpu=v1: the first instruction set */
#include "functions.bpf.h"
