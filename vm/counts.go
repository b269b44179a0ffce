// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"debug/elf"
	_ "embed"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// countsPlugin is the plug-in of QEMU that counts executed instructions (plugin/counts.c).
//
//go:embed plugin/counts.so
var countsPlugin []byte

// countsNeeds is the function of QEMU that other versions of its plug-in interface than the first lack.
const countsNeeds = "qemu_plugin_register_vcpu_insn_exec_inline"

// CanCount returns an error that wraps harness.ErrNotSupported if this machine's QEMU cannot count instructions by address: see Cmd.Counts.
func CanCount() error {
	path, err := findQEMU()
	if err != nil {
		return err
	}
	f, err := elf.Open(path)
	if err != nil {
		return harness.Skip("count instructions by function: %s is no ELF file", path)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return harness.Skip("count instructions by function: read symbols of %s: %v", path, err)
	}
	for _, s := range symbols {
		if s.Name == countsNeeds && s.Section != elf.SHN_UNDEF {
			return nil
		}
	}
	return harness.Skip("count instructions by function: this QEMU has no plug-ins, or not version 1 of their interface (QEMU 7.2 of Debian 12 has)")
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
