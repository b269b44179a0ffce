// SPDX-License-Identifier: Apache-2.0

package sampler

import (
	"cmp"
	"debug/elf"
	"slices"
)

// A symbolFile is the functions of a program's or a library's file.
type symbolFile struct {
	segments  []elf.ProgHeader
	functions []symbol // sorted by address
}

// A symbol is a function at an address, as its file was linked.
type symbol struct {
	name        string
	start, size uint64 // size 0: up to the next
}

// readSymbolFile reads the functions of a file: from its symbol table, or if that was stripped, those that it exports. An unreadable
// file has none.
func readSymbolFile(path string) *symbolFile {
	out := &symbolFile{}
	f, err := elf.Open(path)
	if err != nil {
		return out
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			out.segments = append(out.segments, p.ProgHeader)
		}
	}
	all, err := f.Symbols()
	if err != nil || len(all) == 0 {
		all, _ = f.DynamicSymbols() // none: no names
	}
	for _, s := range all {
		kind := elf.ST_TYPE(s.Info)
		if (kind == elf.STT_FUNC || kind == elf.STT_GNU_IFUNC) && s.Section != elf.SHN_UNDEF && s.Value != 0 {
			out.functions = append(out.functions, symbol{s.Name, s.Value, s.Size})
		}
	}
	slices.SortFunc(out.functions, func(a, b symbol) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.name, b.name)) })
	return out
}

// name is the function at an offset in the file, or "".
func (f *symbolFile) name(offset uint64) string {
	for _, p := range f.segments {
		if offset < p.Off || offset >= p.Off+p.Filesz {
			continue
		}
		address := offset - p.Off + p.Vaddr
		i, found := slices.BinarySearchFunc(f.functions, address, func(s symbol, a uint64) int { return cmp.Compare(s.start, a) })
		if !found {
			i--
		}
		if i < 0 || f.functions[i].size > 0 && address >= f.functions[i].start+f.functions[i].size {
			return ""
		}
		return f.functions[i].name
	}
	return ""
}
