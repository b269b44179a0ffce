# SPDX-License-Identifier: Apache-2.0
# `make help` tells what there is.

CLANG  ?= clang-19
STRIP  ?= llvm-strip-19
SRC    := $(wildcard bpf/*/*.bpf.c)
OBJ    := $(SRC:.bpf.c=.bpf.o)
# Debian and Ubuntu keep asm/ headers in a folder of the machine's kind, which the bpf target does not search.
CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -Ibpf/include -idirafter /usr/include/$(shell uname -m)-linux-gnu -fdebug-prefix-map=$(CURDIR)=.

.PHONY: bpf
bpf: $(OBJ) ## compile the BPF programs

bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/include/*.h) Makefile
	$(CLANG) $(CFLAGS) -c $< -o $@
	$(STRIP) -g $@
