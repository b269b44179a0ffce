// SPDX-License-Identifier: Apache-2.0

package source

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kxlab/kxlab/harness/sys"
)

// Folder lists the BPF sources and objects in a folder, sorted: NAME.bpf.c, or NAME.bpf.o where there is no such source.
func Folder(dir string) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list programs: %w", sys.Missing("folder", dir, err))
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch name := e.Name(); {
		case strings.HasSuffix(name, ".bpf.c"):
			paths = append(paths, path)
		case strings.HasSuffix(name, ".bpf.o"):
			if _, err := os.Stat(strings.TrimSuffix(path, ".o") + ".c"); err != nil {
				paths = append(paths, path)
			}
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("list programs: %s has no .bpf.c and no .bpf.o", dir)
	}
	return paths, nil
}

// Name is what a source or an object is called: its file's name without what follows the first dot.
func Name(path string) string { return baseName(path) }
