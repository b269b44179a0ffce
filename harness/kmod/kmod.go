// SPDX-License-Identifier: Apache-2.0

// Package kmod loads kernel modules that were compiled once, without a kernel's headers (bpf/include/module.mod.h): it moves what the
// kernel looks for in struct module to where the running kernel has it. It does not decide what a module does, nor whether this machine
// may load one: families load modules in guests only.
package kmod

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// Fit returns a module for the running kernel. An error that wraps harness.ErrNotSupported means that this machine takes no such module, or
// does not say where its parts must lie.
func Fit(module []byte) ([]byte, error) {
	if runtime.GOARCH != "amd64" {
		return nil, harness.Skip("modules are compiled for amd64, not for %s", runtime.GOARCH)
	}
	l, err := running()
	if err != nil {
		return nil, err
	}
	return move(module, l)
}

// Load loads a module that Fit returned, which runs its init, and returns init's error. An error that wraps harness.ErrNotSupported means that
// the kernel takes no such module.
func Load(fitted []byte) error {
	err := unix.InitModule(fitted, "")
	if errors.Is(err, unix.ENOEXEC) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOSYS) {
		return harness.Skip("this kernel does not load the module: %v", err)
	}
	return err
}

// running is the layout of the running kernel's struct module.
func running() (l layout, err error) {
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
