# SPDX-License-Identifier: Apache-2.0

CLANG  ?= clang-19
STRIP  ?= llvm-strip-19
FORMAT ?= clang-format-19
# Namespaces and BPF need root; the build does not. Root gets neither the user's PATH, where others may have put programs, nor
# the user's HOME, whose caches would then hold root's files. Tests that compile need Go: GOROOT/bin has Go's programs only.
ROOT_PATH := /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
KEEP_ENV  := GOFLAGS,GOPROXY,GOSUMDB,KXLAB_CACHE,http_proxy,https_proxy,no_proxy
SUDO      := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env=$(KEEP_ENV) env PATH=$(ROOT_PATH))
TEST_EXEC  = $(patsubst PATH=%,PATH=$(shell go env GOROOT)/bin:%,$(SUDO))

# Build, tests, lint and generated code have the same flags, so that each package is compiled once. Without cgo binaries are static:
# those that guests run need no second build.
export CGO_ENABLED := 0
export GOFLAGS     := $(strip $(filter-out -trimpath,$(shell go env GOFLAGS 2>/dev/null)) -trimpath)

# The commit that is built, with +dirty if anything but results differs from it. The Go tool's own stamp may be switched off.
REVISION = $(shell git rev-parse HEAD 2>/dev/null)$(shell git status --porcelain --untracked-files=no -- . ':!results' 2>/dev/null | grep -q . && echo +dirty)

SRC    := $(wildcard bpf/*/*.bpf.c harness/labtest/testdata/*.bpf.c harness/family/*/testdata/*.bpf.c)
HDR    := $(wildcard bpf/include/*.h bpf/jit/*.h harness/family/sched/testdata/*.h)
OBJ    := $(SRC:.bpf.c=.bpf.o)
# Kernel modules for x86-64 that need no kernel's headers (bpf/include/module.mod.h), and programs of user space without a library.
MOD    := $(wildcard bpf/*/*.mod.c)
MODOBJ := $(MOD:.mod.c=.mod.o)
USR    := $(wildcard bpf/*/*.user.c)
USROBJ := $(USR:.user.c=.user)
# Debian and Ubuntu keep asm/ in a folder of the machine's kind, which the bpf target does not search.
CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -Ibpf/include \
	-idirafter /usr/include/$(shell uname -m)-linux-gnu -fdebug-prefix-map=$(CURDIR)=.

# Modules and programs of user space are compiled alike, so that their figures can be compared.
NATIVE   := -O2 --target=x86_64-linux-gnu -Wall -Wextra -Werror -Ibpf/include -std=gnu11 -ffreestanding -fno-builtin -fno-pic -mno-red-zone \
	-mno-sse -mno-mmx -mno-80387 -fno-stack-protector -fno-asynchronous-unwind-tables -fno-addrsig -fno-strict-aliasing \
	-fno-delete-null-pointer-checks -fwrapv -fcf-protection=branch -fno-jump-tables -fno-ident
MODFLAGS := $(NATIVE) -nostdinc -mcmodel=kernel
USRFLAGS := $(NATIVE) -idirafter /usr/include/x86_64-linux-gnu -nostdlib -static -Wl,--build-id=none,-s

# QEMU's plug-in, without any library.
PLUGIN := vm/plugin/counts.so
PLUGIN_FLAGS := -O2 -Wall -Wextra -Werror -fPIC -shared -nostdlib -fvisibility=hidden -fno-stack-protector -fno-asynchronous-unwind-tables \
	--target=x86_64-linux-gnu -Wl,--build-id=none,-s,--hash-style=gnu

.DEFAULT_GOAL := help
.PHONY: help build bench regress test unit soak deploy-test store endurance mutants race fuzz bpf uplot exported lint verify-objects clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## bin/kxlab
	@scripts/setup run
	go build -ldflags "-X main.revision=$(REVISION)" -o bin/kxlab ./harness/cmd/kxlab

store: ## bin/kxlab-store, which copies shards to object storage and back
	go -C deploy/store build -o ../../bin/kxlab-store .

bench: build ## compare load balancers (here and in exact guests), replacements, congestion controls, schedulers, faults, and C with BPF, profile quick; 11 minutes with 2 cores, the first answer in 1
	$(SUDO) bin/kxlab bench

regress: ## what did this tree change against BASE (default: the last commit), counted in exact guests? Exits 3 if for the worse
	@scripts/setup run
	scripts/regress $(or $(BASE),HEAD^)

# Two packages at a time: most tests wait for a guest, which has one processor, or for a timer. lint vets.
GO_TEST    = go test -vet=off -ldflags=-w -exec '$(TEST_EXEC)$(1)' -count=1 -p 2 -timeout 20m
# The packages that take longest begin first, so that no processor is idle at the end.
LONG      := ./harness/cmd/kxlab ./harness/family/lb ./harness/family/sched ./vm

test: ## all tests, kernel parts included; a few in part or not: see soak
	@scripts/setup run
	$(call GO_TEST) $(LONG) ./...
	$(READERS)

unit: ## the tests that need no root
	go test -short ./...
	$(READERS)

# The readers of exported files: a module of its own, with libraries that the lab does not need.
READERS := cd harness/export/readers && go test -count=1 ./...

# Tests that make test leaves out or runs in part, and their packages.
SOAK    := ^(TestLawsFindBugs|TestAB|TestInitInGuest|TestRunVM|TestVMRun|TestStacksExact|TestFaultyPrograms|TestWrongSchedulersInGuest|TestSwapUnderLoad|TestGateInGuest|TestReplaceInGuest|TestIPVSOpinionInGuest|TestProgramInGuest|TestSchedulersInGuest|TestVirtme|TestSnapshotDigits|TestExactRepeats|TestOlderKernelRuns|TestAction|TestActionNewcomer|TestBisect|TestShards|TestLargeHistory|TestMatrixWorkflow)$$
SOAK_IN := ./harness/cmd/kxlab ./harness/family/sched ./harness/family/lb ./harness/family/lb/kernel ./vm ./harness/family/cc ./harness/family/swap

# Modules that no build of kxlab needs.
DEPLOY  := deploy/test deploy/store

soak: ## the tests that make test leaves out or runs in part, as a whole
	@scripts/setup run
	$(call GO_TEST, env LABTEST_SOAK=1) -run '$(SOAK)' $(SOAK_IN)

deploy-test: ## what deploy has for Kubernetes, and kxlab-store; on a bare machine 900 packages are compiled first
	$(foreach m,$(DEPLOY),go -C $(m) vet ./... && go -C $(m) test ./... &&) true

endurance: ## every scheduler under the whole gate for 60 s of the guest's time, on one and on two CPUs: 24 minutes
	@scripts/setup run
	go test -exec '$(TEST_EXEC) env LABTEST_ENDURANCE=1' -count=1 -timeout 40m -v -run '^TestEndurance$$' ./harness/family/sched

mutants: ## plant each fault of scripts/mutants.list, which a test must find; takes half an hour
	@scripts/setup dev
	LABTEST_EXEC='$(TEST_EXEC)' scripts/mutants

race: ## the unit tests under the race detector, but for those that wait for BPF and guests
	scripts/race

fuzz: ## each fuzz target for a minute
	scripts/fuzz 60s

bpf: $(OBJ) $(MODOBJ) $(USROBJ) $(PLUGIN) ## compile the BPF programs and QEMU's plug-in, and write down in Go what the programs share with it (bpf/abi)
	go generate ./bpf/abi

%.bpf.o: %.bpf.c $(HDR) Makefile
	$(CLANG) $(CFLAGS) $(ISA) -c $< -o $@
	$(STRIP) -g $@

# The instruction set of these is that which their names end in.
bpf/jit/functions_v%.bpf.o: ISA = -mcpu=v$(lastword $(subst _v, ,$*))

%.mod.o: %.mod.c $(HDR) Makefile
	$(CLANG) $(MODFLAGS) -c $< -o $@

# Compiled as programs of user space usually are, with vector instructions; and without unrolled loops.
bpf/jit/functions_sse.user: ISA := -msse2
bpf/jit/functions_rolled.user: ISA := -fno-unroll-loops

%.user: %.user.c $(HDR) Makefile
	$(CLANG) $(USRFLAGS) $(ISA) $< -o $@

%.so: %.c Makefile
	$(CLANG) $(PLUGIN_FLAGS) $< -o $@

uplot: ## fetch the plotting library of pages from npm, if it is what SHA256SUMS pins; a build uses the committed files
	scripts/uplot

exported: ## exported names that no other package uses
	@go run ./scripts/exported ./harness/... ./vm

lint: ## formatting, vet, import directions, licences, shell scripts, words and links
	@scripts/setup dev
	scripts/lint

verify-objects: ## the committed objects, QEMU's plug-in and bpf/abi are what their sources give
	@scripts/setup dev
	touch $(SRC) $(MOD) $(USR) $(PLUGIN:.so=.c)
	$(MAKE) --no-print-directory -s -j2 bpf
	git diff --exit-code --stat -- '*.bpf.o' '*.mod.o' '*.user' '*.so' bpf/abi

clean: ## remove what an interrupted run left, and the binary
	@if [ -x bin/kxlab ]; then $(SUDO) bin/kxlab clean; fi
	rm -rf bin
