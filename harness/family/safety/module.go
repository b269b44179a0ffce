// SPDX-License-Identifier: Apache-2.0

package safety

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// openModule reads the module of a fault.
func openModule(v harness.Variant) ([]byte, error) {
	raw, err := bpf.Module(v.Object)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, harness.Skip("no module makes this mistake")
	}
	return raw, err
}

// moduleExpectations are those that a fault's module carries.
func moduleExpectations(v harness.Variant) ([]expectation, error) {
	raw, err := openModule(v)
	if err != nil {
		return nil, err
	}
	texts, err := moduleInfo(raw, "expect")
	if err != nil {
		return nil, err
	}
	all, err := parseExpectations(texts)
	return all, harness.Wrap(err, "read module %s", v.Object)
}

// structModule is the layout of the running kernel's struct module.
func structModule() (l layout, err error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return l, harness.Skip("read the kernel's types, which say where a module's parts lie: %v", err)
	}
	var t *btf.Struct
	if err := kernel.TypeByName("module", &t); err != nil {
		return l, harness.Skip("read the kernel's struct module: %v", err)
	}
	l.size = t.Size
	for _, m := range t.Members {
		switch m.Name {
		case "name":
			l.name = m.Offset.Bytes()
		case "init":
			l.init = m.Offset.Bytes()
		}
	}
	if l.name == 0 || l.init == 0 {
		return l, fmt.Errorf("read the kernel's struct module: it has no name or no init")
	}
	return l, nil
}

// module loads a fault's module, which runs it. The module does not stay.
func (s *stage) module(ctx context.Context, v harness.Variant) (found, error) {
	if runtime.GOARCH != "amd64" {
		return found{}, harness.Skip("modules are compiled for amd64, not for %s", runtime.GOARCH)
	}
	raw, err := openModule(v)
	if err != nil {
		return found{}, err
	}
	l, err := structModule()
	if err != nil {
		return found{}, err
	}
	if raw, err = fit(raw, l); err != nil {
		return found{}, err
	}
	err = guard(ctx, v.Name+" by "+byModule, func() error { return unix.InitModule(raw, "") })
	return readModule(err)
}

// readModule reads what a module's init returned (bpf/include/safety.mod.h), which is never success.
func readModule(err error) (found, error) {
	for errno, fate := range map[unix.Errno]harness.Fate{
		unix.ECANCELED: harness.FateUnnoticed, unix.EUCLEAN: harness.FateCorruption,
		unix.EALREADY: harness.FateHarmless, unix.ENODATA: harness.FateLeak,
	} {
		if errors.Is(err, errno) {
			return found{fate: fate, words: moduleWords[fate]}, nil
		}
	}
	if errors.Is(err, unix.ENOEXEC) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOSYS) {
		return found{}, harness.Skip("this kernel does not load the module: %v", err)
	}
	if err == nil {
		err = errors.New("the module stayed")
	}
	return found{}, fmt.Errorf("load module: %w", err)
}

// moduleWords say what a module noticed.
var moduleWords = map[harness.Fate]string{
	harness.FateUnnoticed:  "nothing noticed the fault",
	harness.FateCorruption: "memory of others has changed, and nothing noticed",
	harness.FateHarmless:   "there was nothing to notice",
	harness.FateLeak:       "user space read a kernel address",
}
