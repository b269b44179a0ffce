// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A layout is where a kernel has the members of its struct module, bytes.
type layout struct{ size, name, init, exit uint32 } // exit is 0 in a kernel that removes no modules

// Sections of a module.
const (
	sectionModule = ".gnu.linkonce.this_module"
	sectionInfo   = ".modinfo"
)

// As compiled (bpf/include/module.mod.h), init is the first member of the section, name the second, and exit, if there is one, the third.
const (
	nameAt   = 8
	nameMax  = 56
	exitAt   = nameAt + nameMax
	relaSize = 24
)

// move returns a module for a kernel of this layout: init and exit, which are relocations, and the name move to where the kernel looks for
// them, and the section gets the size of the kernel's struct.
func move(module []byte, l layout) ([]byte, error) {
	out := bytes.Clone(module)
	f, err := elf.NewFile(bytes.NewReader(out))
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	defer f.Close()
	this, rela := -1, -1
	for i, s := range f.Sections {
		switch s.Name {
		case sectionModule:
			this = i
		case ".rela" + sectionModule:
			rela = i
		}
	}
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || this < 0 || rela < 0 {
		return nil, fmt.Errorf("read module: want ELF of 64 bits with the sections %s and .rela%[1]s", sectionModule)
	}
	s, r := f.Sections[this], f.Sections[rela]
	if uint64(l.size) > s.Size || l.name+nameMax > l.size || l.init+8 > l.size || l.exit+8 > l.size {
		return nil, fmt.Errorf("fit module: the kernel's struct module %+v does not fit into %d bytes", l, s.Size)
	}
	if r.Size != relaSize && r.Size != 2*relaSize {
		return nil, fmt.Errorf("read module: %s has %d bytes of relocations, want those of init and exit alone", sectionModule, r.Size)
	}
	if r.Size == 2*relaSize && l.exit == 0 {
		return nil, harness.Skip("this kernel removes no modules (CONFIG_MODULE_UNLOAD)")
	}
	body := out[s.Offset : s.Offset+s.Size]
	name := bytes.Clone(body[nameAt : nameAt+nameMax])
	clear(body[:nameAt+nameMax])
	copy(body[l.name:], name)
	for at := r.Offset; at < r.Offset+r.Size; at += relaSize {
		to := map[uint64]uint32{0: l.init, exitAt: l.exit}[binary.LittleEndian.Uint64(out[at:])]
		binary.LittleEndian.PutUint64(out[at:], uint64(to))
	}
	binary.LittleEndian.PutUint64(out[sizeAt(out, this):], uint64(l.size))
	return out, nil
}

// sizeAt is where the size of a section stands in an ELF file of 64 bits.
func sizeAt(file []byte, section int) uint64 {
	table := binary.LittleEndian.Uint64(file[0x28:])
	entry := uint64(binary.LittleEndian.Uint16(file[0x3a:]))
	return table + uint64(section)*entry + 0x20
}

// Info lists the values of a module's information of a name, "expect" of "expect=module oops".
func Info(module []byte, name string) (out []string, err error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	defer f.Close()
	s := f.Section(sectionInfo)
	if s == nil {
		return nil, fmt.Errorf("read module: no section %s", sectionInfo)
	}
	raw, err := s.Data()
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	for _, line := range strings.Split(string(raw), "\x00") {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			out = append(out, value)
		}
	}
	return out, nil
}

// Set returns a module in which a variable of 8 bytes has a value.
func Set(module []byte, name string, value uint64) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	s, ok := harness.Find(symbols, func(s elf.Symbol) bool { return s.Name == name && s.Size == 8 && int(s.Section) < len(f.Sections) })
	if !ok || f.Sections[s.Section].Type != elf.SHT_PROGBITS {
		return nil, fmt.Errorf("read module: it has no initialised variable %s of 8 bytes", name)
	}
	out := bytes.Clone(module)
	binary.LittleEndian.PutUint64(out[f.Sections[s.Section].Offset+s.Value:], value)
	return out, nil
}
