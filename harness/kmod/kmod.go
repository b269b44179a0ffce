// SPDX-License-Identifier: Apache-2.0

// Package kmod loads kernel modules that were compiled once, without a kernel's headers (bpf/include/module.mod.h): it moves what the
// kernel looks for in struct module to where the running kernel has it, and tells modules what they cannot know when they are compiled
// (Set, Member). It does not decide what a module does, nor whether this machine
// may load one: families load modules in guests only.
package kmod

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

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

// Remove removes a module that was loaded, by its name, which runs its exit. It does not wait for users: a module in use is an error.
func Remove(name string) error {
	return harness.Wrap(unix.DeleteModule(name, unix.O_NONBLOCK), "remove module %s", name)
}

// Member is where the running kernel has a member of a struct, bytes from its begin: "net" and "ns.inum". An error wraps harness.ErrNotSupported:
// a kernel without that member is not known.
func Member(of, path string) (uint64, error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return 0, harness.Skip("read the kernel's types, which say where members lie: %v", err)
	}
	var t *btf.Struct
	if err := kernel.TypeByName(of, &t); err != nil {
		return 0, harness.Skip("read the kernel's struct %s: %v", of, err)
	}
	at := uint64(0)
	for _, name := range strings.Split(path, ".") {
		m, ok := harness.Find(membersOf(t), func(m btf.Member) bool { return m.Name == name })
		if !ok {
			return 0, harness.Skip("read the kernel's struct %s: it has no member %s", of, path)
		}
		at += uint64(m.Offset.Bytes())
		t, _ = btf.UnderlyingType(m.Type).(*btf.Struct)
	}
	return at, nil
}

// membersOf are the members of a struct; none of another type.
func membersOf(t *btf.Struct) []btf.Member {
	if t == nil {
		return nil
	}
	return t.Members
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
		case "exit":
			l.exit = m.Offset.Bytes()
		}
	}
	if l.name == 0 || l.init == 0 {
		return l, fmt.Errorf("read the kernel's struct module: it has no name or no init")
	}
	return l, nil
}
