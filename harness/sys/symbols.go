// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/harness"
)

// BPFSymbols are the functions of all BPF programs that are loaded.
func BPFSymbols() (out []harness.Symbol, err error) {
	for id := ebpf.ProgramID(0); ; {
		id, err = ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("list BPF programs: %w", err)
		}
		p, err := ebpf.NewProgramFromID(id)
		if errors.Is(err, os.ErrNotExist) { // gone meanwhile
			continue
		}
		if err != nil {
			return out, fmt.Errorf("open BPF program: %w", err)
		}
		more, err := functions(p)
		if err := errors.Join(err, p.Close()); err != nil {
			return out, fmt.Errorf("read BPF program: %w", err)
		}
		out = append(out, more...)
	}
}

// functions are those of a program, where the kernel compiled them.
func functions(p *ebpf.Program) (out []harness.Symbol, err error) {
	info, err := p.Info()
	if err != nil {
		return nil, err
	}
	starts, _ := info.JitedKsymAddrs()
	sizes, _ := info.JitedFuncLens()
	names, _ := info.FuncInfos() // of programs without types there are none
	slices.SortFunc(names, func(a, b btf.FuncOffset) int { return cmp.Compare(a.Offset, b.Offset) })
	for i, start := range starts {
		s := harness.Symbol{Name: info.Name, Start: uint64(start)}
		if i < len(sizes) {
			s.Size = uint64(sizes[i])
		}
		if i < len(names) {
			s.Name = names[i].Func.Name
		}
		out = append(out, s)
	}
	return out, nil
}

// Modules are the kernel's modules, a symbol each; none of a kernel that cannot have any.
func Modules() (out []harness.Symbol, err error) {
	f, err := os.Open("/proc/modules")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list modules: %w", err)
	}
	defer f.Close()
	return parseModules(f)
}

// parseModules reads /proc/modules: NAME SIZE REFERENCES USERS STATE ADDRESS.
func parseModules(r io.Reader) (out []harness.Symbol, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 6 {
			return out, fmt.Errorf("list modules: %q", lines.Text())
		}
		s := harness.Symbol{Name: f[0]}
		if _, err := fmt.Sscan(f[1], &s.Size); err != nil {
			return out, fmt.Errorf("list modules: size of %s: %w", f[0], err)
		}
		if _, err := fmt.Sscan(f[5], &s.Start); err != nil {
			return out, fmt.Errorf("list modules: address of %s: %w", f[0], err)
		}
		out = append(out, s)
	}
	return out, lines.Err()
}
