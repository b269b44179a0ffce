// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/harness"
)

// A KernelOption is an option of the kernel's configuration whose value an object asks for: extern … CONFIG_HZ __kconfig.
type KernelOption struct {
	Name  string // with CONFIG_
	Weak  bool   // the program can do without it, and then reads 0
	Unset string // as a configuration would write 0: n, 0 or ""
}

// KernelOptions returns the options that an object asks for; none if raw is no object with types.
func KernelOptions(raw []byte) ([]KernelOption, error) {
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil || f.Section(".BTF") == nil {
		return nil, nil
	}
	types, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read types: %w", err)
	}
	var section *btf.Datasec
	if err := types.TypeByName(".kconfig", &section); errors.Is(err, btf.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read .kconfig: %w", err)
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("read symbols: %w", err)
	}
	weak := map[string]bool{}
	for _, s := range symbols {
		weak[s.Name] = elf.ST_BIND(s.Info) == elf.STB_WEAK || elf.ST_VISIBILITY(s.Other) == elf.STV_HIDDEN // package source hides weak ones
	}
	var out []KernelOption
	for _, v := range section.Vars {
		name := v.Type.TypeName()
		if variable, ok := v.Type.(*btf.Var); ok && strings.HasPrefix(name, "CONFIG_") { // others, such as LINUX_KERNEL_VERSION, are no options
			out = append(out, KernelOption{name, weak[name], unset(variable.Type)})
		}
	}
	return out, nil
}

// unset is how a configuration would write 0 for a variable of a type.
func unset(t btf.Type) string {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Array:
		return `""`
	case *btf.Enum: // enum libbpf_tristate
		return "n"
	case *btf.Int:
		if t.Encoding == btf.Bool {
			return "n"
		}
	}
	return "0"
}

// optionRE finds the option that the running kernel is built without in an error of the library.
var optionRE = regexp.MustCompile(`config option "([^"]+)" does not exist on this kernel`)

// explainOptions returns an error for an object that asks for options that the running kernel lacks, or whose values are not known; nil
// for another error of loading it.
func explainOptions(object string, err error) error {
	text := err.Error()
	if m := optionRE.FindStringSubmatch(text); m != nil {
		return harness.Skip("load %s: it asks for %s, without which this kernel is built: declare it __weak to read 0 then", object, m[1])
	}
	if strings.Contains(text, "cannot find a kconfig file") {
		return harness.Skip("load %s: it asks for options of the kernel's configuration (extern … __kconfig), and this kernel's is not known: "+
			"of a kernel of your own, put config-RELEASE beside the image", object)
	}
	return nil
}
