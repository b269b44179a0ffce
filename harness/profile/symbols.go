// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// Rows that are no function.
const (
	UserSpace = "(user space)"
	// Unnamed is code beside the kernel's, its modules' and the loaded programs': the kernel makes it for BPF.
	Unnamed = "(BPF trampolines and dispatchers)"
	// Other is code of the kernel for which there is no symbol.
	Other = "(kernel, no symbol)"
)

// bpfSuffix ends the names of functions of BPF programs, as in /proc/kallsyms.
const bpfSuffix = " [bpf]"

// The kernel's address range on amd64 with KASLR off.
const (
	userEnd    = 1 << 47
	kernelText = 0xffffffff80000000
	// moduleArea begins beyond the kernel's own text: modules and BPF programs lie there.
	moduleArea = 0xffffffffa0000000
)

// A Kernel is what /proc/kallsyms and /proc/modules say of a booted kernel, without BPF programs. It is the same in all exact guests
// of a kernel and its modules.
type Kernel struct {
	Symbols []harness.Symbol // sorted by address; those of modules end in " [MODULE]"
	Modules []harness.Symbol
}

// ParseKallsyms reads the functions in the lines of /proc/kallsyms, ADDRESS TYPE NAME, and [MODULE] of a module. Of several symbols
// at an address the first counts.
func ParseKallsyms(r io.Reader) (out []harness.Symbol, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 3 || !strings.Contains("tTwW", f[1]) || strings.HasPrefix(f[2], "__pfx_") {
			continue
		}
		at, err := strconv.ParseUint(f[0], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("read kernel's symbols: %w", err)
		}
		s := harness.Symbol{Name: f[2], Start: at}
		if len(f) > 3 {
			if f[3] == "[bpf]" || strings.HasPrefix(f[3], "[__builtin") {
				continue
			}
			s.Name += " " + f[3]
		}
		out = append(out, s)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read kernel's symbols: %w", err)
	}
	if len(out) == 0 || out[len(out)-1].Start == 0 {
		return nil, harness.Skip("read kernel's symbols: the kernel shows none")
	}
	slices.SortStableFunc(out, func(a, b harness.Symbol) int { return cmp.Compare(a.Start, b.Start) })
	return slices.CompactFunc(out, func(a, b harness.Symbol) bool { return a.Start == b.Start }), nil
}

// Only are the symbols that name the code at some addresses, and the end of the kernel's text.
func (k Kernel) Only(addresses []uint64) (out []harness.Symbol) {
	wanted := map[uint64]bool{}
	for _, a := range addresses {
		if s, ok := last(k.Symbols, a); ok {
			wanted[s.Start] = true
		}
	}
	return harness.Filter(k.Symbols, func(s harness.Symbol) bool { return wanted[s.Start] || s.Name == textEnd })
}

// A Space names the code at the addresses of one guest.
type Space struct {
	kernel   []harness.Symbol
	modules  []harness.Symbol
	moved    map[string]bool // modules that lie elsewhere in this guest than where the symbols are from
	programs []harness.Symbol
	end      uint64 // of the kernel's own text; 0: it is not known
}

// textEnd is the symbol at the end of the kernel's own text.
const textEnd = "_etext"

// NewSpace joins the symbols of a kernel with what a guest says of its own.
func NewSpace(k Kernel, c harness.Counted) *Space {
	s := &Space{kernel: k.Symbols, modules: slices.Clone(c.Modules), moved: map[string]bool{}, programs: slices.Clone(c.Programs)}
	if e, ok := harness.Find(k.Symbols, func(s harness.Symbol) bool { return s.Name == textEnd }); ok {
		s.end = e.Start
	}
	for _, m := range c.Modules {
		s.moved[m.Name] = !slices.ContainsFunc(k.Modules, func(o harness.Symbol) bool { return o.Name == m.Name && o.Start == m.Start })
	}
	byStart := func(a, b harness.Symbol) int { return cmp.Compare(a.Start, b.Start) }
	slices.SortFunc(s.modules, byStart)
	slices.SortFunc(s.programs, byStart)
	return s
}

// Name is the function at an address, or the group to which it belongs.
func (s *Space) Name(address uint64) string {
	if address < userEnd {
		return UserSpace
	}
	if p, ok := last(s.programs, address); ok && address < p.Start+p.Size {
		return p.Name + bpfSuffix
	}
	if address < kernelText {
		return Other
	}
	if address < cmp.Or(s.end, moduleArea) {
		if f, ok := last(s.kernel, address); ok {
			return f.Name
		}
		return Other
	}
	m, ok := last(s.modules, address)
	if !ok || address >= m.Start+m.Size {
		return Unnamed
	}
	if f, ok := last(s.kernel, address); ok && !s.moved[m.Name] && strings.HasSuffix(f.Name, " ["+m.Name+"]") {
		return f.Name
	}
	return "[" + m.Name + "]"
}

// last is the last of sorted symbols that begins at or before an address.
func last(sorted []harness.Symbol, address uint64) (harness.Symbol, bool) {
	i, found := slices.BinarySearchFunc(sorted, address, func(s harness.Symbol, a uint64) int { return cmp.Compare(s.Start, a) })
	if !found {
		i--
	}
	if i < 0 {
		return harness.Symbol{}, false
	}
	return sorted[i], true
}
