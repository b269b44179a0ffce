// SPDX-License-Identifier: Apache-2.0

package source

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
)

// readable returns an object in which the library finds all that libbpf finds. It reads three things in one form only:
//
//   - operations in section .struct_ops.link, not in .struct_ops, where objects without a link have them (the kernel's selftests);
//   - variables without a value in .bss, not in further sections .bss.NAME, which keep what one lock protects apart;
//   - maps with symbols that are global, not weak (__weak, for objects that are linked with others), and so options of the kernel's
//     configuration. A weak option becomes a hidden one: bpfobj.KernelOptions knows by this that the program can do without it.
//
// Sections get the name that the library knows, in the object and in its types, weak maps a global symbol. Other objects, and those
// that are no ELF of 64 bits, are returned as they are.
func readable(raw []byte) []byte {
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil || f.Class != elf.ELFCLASS64 {
		return raw
	}
	names := map[string]string{}
	for _, s := range f.Sections {
		switch {
		case s.Name == ".struct_ops" && s.Type == elf.SHT_PROGBITS:
			names[s.Name] = ".struct_ops.link"
		case strings.HasPrefix(s.Name, ".bss."):
			names[s.Name] = ".data" + s.Name
		}
	}
	weak := weakSymbols(f)
	if len(names) == 0 && len(weak) == 0 {
		return raw
	}
	e := editor{slices.Clone(raw), f}
	for _, w := range weak {
		e.raw[w.info] = elf.ST_INFO(elf.STB_GLOBAL, elf.ST_TYPE(e.raw[w.info]))
		if w.option {
			e.raw[w.info+1] = uint8(elf.STV_HIDDEN) // st_other
		}
	}
	if len(names) > 0 && !e.rename(names) {
		return raw
	}
	return e.raw
}

// A weakSymbol is that of a map or of an option of the kernel's configuration.
type weakSymbol struct {
	info   uint64 // offset in the file of its info byte
	option bool
}

// weakSymbols are the weak symbols of maps and of options.
func weakSymbols(f *elf.File) (out []weakSymbol) {
	symbols, err := f.Symbols()
	table := f.SectionByType(elf.SHT_SYMTAB)
	if err != nil || table == nil {
		return nil
	}
	for i, s := range symbols {
		if elf.ST_BIND(s.Info) != elf.STB_WEAK {
			continue
		}
		option := s.Section == elf.SHN_UNDEF && strings.HasPrefix(s.Name, "CONFIG_")
		if option || int(s.Section) < len(f.Sections) && f.Sections[s.Section].Name == ".maps" {
			// The first symbol is not listed; st_info follows st_name.
			out = append(out, weakSymbol{table.Offset + uint64(i+1)*elf.Sym64Size + 4, option})
		}
	}
	return out
}

// An editor changes an ELF file. Tables that grow move to its end.
type editor struct {
	raw []byte
	f   *elf.File
}

// header is the header of a section.
func (e *editor) header(i int) []byte {
	o := e.f.ByteOrder
	at := o.Uint64(e.raw[0x28:]) + uint64(i)*uint64(o.Uint16(e.raw[0x3a:]))
	return e.raw[at:]
}

// move gives a section other content.
func (e *editor) move(i int, content []byte) {
	e.raw = append(e.raw, make([]byte, -len(e.raw)&7)...)
	h := e.header(i)
	e.f.ByteOrder.PutUint64(h[24:], uint64(len(e.raw)))
	e.f.ByteOrder.PutUint64(h[32:], uint64(len(content)))
	e.raw = append(e.raw, content...)
}

// rename renames sections, in the object and in its types. It reports whether it could.
func (e *editor) rename(names map[string]string) bool {
	o := e.f.ByteOrder
	table := int(o.Uint16(e.raw[0x3e:]))
	if table >= len(e.f.Sections) {
		return false
	}
	all, err := e.f.Sections[table].Data()
	if err != nil {
		return false
	}
	for i, s := range e.f.Sections {
		if to, ok := names[s.Name]; ok {
			o.PutUint32(e.header(i), uint32(len(all)))
			all = append(append(all, to...), 0)
		}
	}
	e.move(table, all)
	i := slices.IndexFunc(e.f.Sections, func(s *elf.Section) bool { return s.Name == ".BTF" })
	if i < 0 {
		return true
	}
	types, err := e.f.Sections[i].Data()
	if err != nil {
		return false
	}
	types = renameDatasecs(types, names, o)
	if types == nil {
		return false
	}
	e.move(i, types)
	return true
}

// The kinds of types (linux/btf.h) that have something behind their 12 bytes: bytes, or bytes a member.
var (
	kindBytes   = map[uint32]uint32{1: 4, 3: 12, 14: 4, 17: 4}                          // int, array, var, decl_tag
	memberBytes = map[uint32]uint32{4: 12, 5: 12, 6: 8, 13: 8, kindDatasec: 12, 19: 12} // struct, union, enum, func_proto, datasec, enum64
)

const kindDatasec = 15

// renameDatasecs renames the types of data sections, nil if the types cannot be read.
func renameDatasecs(types []byte, names map[string]string, o binary.ByteOrder) []byte {
	const header = 24
	if len(types) < header {
		return nil
	}
	word := func(at uint32) uint32 { return o.Uint32(types[at:]) }
	begin, size := word(4)+word(8), word(12)
	text, length := word(4)+word(16), word(20)
	if uint64(begin)+uint64(size) > uint64(len(types)) || uint64(text)+uint64(length) != uint64(len(types)) {
		return nil // the strings are not at the end, where they can grow
	}
	types = slices.Clone(types)
	for at := begin; at+12 <= begin+size; {
		info := word(at + 4)
		kind, members := info>>24&0x1f, info&0xffff
		if name, ok := names[cstring(types[text:], word(at))]; ok && kind == kindDatasec {
			o.PutUint32(types[at:], uint32(len(types))-text)
			types = append(append(types, name...), 0)
		}
		at += 12 + kindBytes[kind] + members*memberBytes[kind]
	}
	o.PutUint32(types[20:], uint32(len(types))-text)
	return types
}

// cstring is the text that begins at an offset, "" behind the end.
func cstring(b []byte, at uint32) string {
	if uint64(at) >= uint64(len(b)) {
		return ""
	}
	text, _, _ := bytes.Cut(b[at:], []byte{0})
	return string(text)
}

// section is the name of the section of a number, or the number, and whether it is for instructions.
func section(raw []byte, number string) (name string, code bool) {
	f, err := elf.NewFile(bytes.NewReader(raw))
	i, err2 := strconv.Atoi(number)
	if err != nil || err2 != nil || i >= len(f.Sections) {
		return number, false
	}
	return f.Sections[i].Name, f.Sections[i].Flags&elf.SHF_EXECINSTR != 0
}
