// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/vm"
)

// kernelOptions are the options of the kernel's configuration that the named objects ask for, in the order of the names.
func kernelOptions(objects []string) (out []bpfobj.KernelOption, err error) {
	for _, name := range objects {
		raw, err := bpf.Bytes(name)
		if err != nil {
			return nil, err
		}
		asked, err := bpfobj.KernelOptions(raw)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		out = append(out, asked...)
	}
	return out, nil
}

// configOf is the part of a kernel's configuration that is asked for, as lines of such a file. An option that the kernel is built without
// is left out, so that loading says so, unless the program can do without it. Empty: nothing is asked for, or the configuration is not known.
func configOf(k *vm.Kernel, asked []bpfobj.KernelOption) (string, error) {
	if len(asked) == 0 {
		return "", nil
	}
	have, err := k.Options()
	if err != nil || have == nil {
		return "", err
	}
	lines := []string{"# what objects ask for"}
	for _, o := range asked {
		value, ok := have[strings.TrimPrefix(o.Name, "CONFIG_")]
		switch {
		case ok:
			lines = append(lines, o.Name+"="+value)
		case o.Weak:
			lines = append(lines, o.Name+"="+o.Unset)
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n") + "\n", nil
}

// placeConfig puts a configuration where the loader of objects looks for the running kernel's. It is called in guests: one that has this
// machine's root, read-only, gets an empty /boot in its place.
func placeConfig(text string) error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("place kernel's configuration: %w", err)
	}
	path := filepath.Join("/boot", "config-"+unix.ByteSliceToString(uts.Release[:]))
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if errors.Is(err, unix.EROFS) {
		if err = unix.Mount("none", filepath.Dir(path), "tmpfs", 0, ""); err == nil {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
	}
	if err != nil {
		return fmt.Errorf("place kernel's configuration: %w", err)
	}
	return nil
}
