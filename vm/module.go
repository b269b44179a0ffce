// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A module is a kernel module, decompressed.
type module struct {
	name string // as in /proc/modules: underscores for hyphens
	data []byte
}

// modules returns the modules of these names and their dependencies in loading order, without those that are built into the kernel.
// A module that the kernel lacks is a harness.Skip.
func (k *Kernel) modules(ctx context.Context, names []string) ([]module, error) {
	if len(names) == 0 {
		return nil, nil
	}
	files, err := moduleFiles(k.Modules)
	if err != nil {
		return nil, err
	}
	builtin, err := builtinModules(k.Modules)
	if err != nil {
		return nil, err
	}
	var out []module
	added := map[string]bool{} // by name
	var add func(name, parent string) error
	add = func(name, parent string) error {
		name = moduleName(name)
		if added[name] || builtin[name] {
			return nil
		}
		added[name] = true
		file, ok := files[name]
		if !ok && parent != "" {
			return harness.Skip("kernel %s has no module %s, which %s needs", k.Release, name, parent)
		}
		if !ok {
			return harness.Skip("kernel %s has no module %s", k.Release, name)
		}
		data, err := readModule(ctx, file)
		if err != nil {
			return err
		}
		needs, err := moduleNeeds(data)
		if err != nil {
			return fmt.Errorf("read module %s: %w", file, err)
		}
		for _, need := range needs {
			if err := add(need, name); err != nil {
				return err
			}
		}
		out = append(out, module{name: name, data: data})
		return nil
	}
	for _, name := range names {
		if err := add(name, ""); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// moduleFiles finds the module files below dir, by name.
func moduleFiles(dir string) (map[string]string, error) {
	if dir == "" {
		return nil, harness.Skip("the kernel came without a folder of modules: put its lib/modules beside the image, or name a build tree")
	}
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base, _, found := strings.Cut(d.Name(), ".ko")
		if found && !d.IsDir() && !strings.HasSuffix(d.Name(), ".ko.cmd") {
			files[moduleName(base)] = path
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list modules: %w", err)
	}
	return files, nil
}

func builtinModules(dir string) (map[string]bool, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list built-in modules: %w", err)
	}
	out := map[string]bool{}
	for line := range strings.Lines(string(raw)) {
		out[moduleName(strings.TrimSuffix(filepath.Base(strings.TrimSpace(line)), ".ko"))] = true
	}
	return out, nil
}

func readModule(ctx context.Context, file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	if !strings.HasSuffix(file, ".ko") {
		if data, err = decompress(ctx, data, unpackedMax); err != nil {
			return nil, fmt.Errorf("decompress module %s: %w", file, err)
		}
	}
	return data, nil
}

// moduleNeeds returns a module's dependencies.
func moduleNeeds(data []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("no .modinfo section")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	var needs []string
	for _, item := range strings.Split(string(info), "\x00") {
		if list, ok := strings.CutPrefix(item, "depends="); ok && list != "" {
			needs = append(needs, strings.Split(list, ",")...)
		}
	}
	return needs, nil
}
