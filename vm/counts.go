// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"debug/elf"
	_ "embed"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// countsPlugin is the plug-in of QEMU that counts executed instructions (plugin/counts.c).
//
//go:embed plugin/counts.so
var countsPlugin []byte

// pluginPrefix begins the names of QEMU's functions for plug-ins.
const pluginPrefix = "qemu_plugin_"

// countsNeeds are the functions of QEMU that the plug-in calls.
func countsNeeds() ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(countsPlugin))
	if err != nil {
		return nil, fmt.Errorf("read plug-in: %w", err)
	}
	imported, err := f.ImportedSymbols()
	if err != nil {
		return nil, fmt.Errorf("read plug-in: %w", err)
	}
	names := harness.Map(imported, func(s elf.ImportedSymbol) string { return s.Name })
	return harness.Filter(names, func(name string) bool { return strings.HasPrefix(name, pluginPrefix) }), nil
}

// CanCount returns an error that wraps harness.ErrNotSupported if this machine's QEMU cannot count instructions by address: see Cmd.Counts.
func CanCount() error {
	path, err := findQEMU()
	if err != nil {
		return err
	}
	f, err := elf.Open(path)
	if err != nil {
		return harness.Skip("count instructions by function: %s is no ELF file, and does not say whether it has plug-ins; --stacks shows functions by samples", path)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return harness.Skip("count instructions by function: read symbols of %s: %v", path, err)
	}
	has := map[string]bool{}
	for _, s := range symbols {
		has[s.Name] = has[s.Name] || s.Section != elf.SHN_UNDEF
	}
	needs, err := countsNeeds()
	if err != nil {
		return err
	}
	for _, name := range needs {
		if !has[name] {
			return harness.Skip("count instructions by function: this QEMU has no plug-ins, or not version 1 of their interface (QEMU 7.2 of Debian 12 has): no %s; --stacks shows functions by samples", name)
		}
	}
	return nil
}

// counter is the plug-in, with the file that it writes to.
type counter struct{ plugin, out int } // descriptors

func (c counter) args() []string {
	return []string{"-plugin", fmt.Sprintf("%s,out=%s", fdPath(c.plugin), fdPath(c.out))}
}

// addCounter adds the plug-in to a launch. The file stays the caller's.
func (l *launch) addCounter(out *os.File) error {
	if err := CanCount(); err != nil {
		return err
	}
	plugin, err := inMemory("counts.so", countsPlugin)
	if err != nil {
		return err
	}
	dup, err := unix.FcntlInt(out.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		plugin.Close()
		return fmt.Errorf("open file of counts: %w", err)
	}
	c := counter{plugin: l.add(plugin)}
	c.out = l.add(os.NewFile(uintptr(dup), out.Name()))
	l.args = append(l.args, c.args()...)
	return nil
}

// NewCounts makes a file for Cmd.Counts. It lies in memory.
func NewCounts() (*os.File, error) { return inMemory("counts", nil) }

// inMemory makes a file of this content that lies in memory and has no place in a folder.
func inMemory(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(content); err != nil {
		f.Close()
		return nil, fmt.Errorf("write file in memory: %w", err)
	}
	return f, nil
}
