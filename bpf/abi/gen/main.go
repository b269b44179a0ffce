// SPDX-License-Identifier: Apache-2.0

// Command gen writes the Go files of package abi, one for each header in bpf/include that is neither a .bpf.h nor a .mod.h. It runs in
// the folder of package abi, where `go generate` starts it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kxlab/kxlab/bpf"
)

func main() {
	if err := run(".", "../include"); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes the files for the headers of one folder into another.
func run(out, include string) error {
	files, err := generate(include)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(out, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the text of each file of package abi, by its name.
func generate(include string) (map[string][]byte, error) {
	types, err := readStructs(bpf.Names())
	if err != nil {
		return nil, err
	}
	headers, err := filepath.Glob(filepath.Join(include, "*.h"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, path := range headers {
		name := filepath.Base(path)
		if strings.HasSuffix(name, ".bpf.h") || strings.HasSuffix(name, ".mod.h") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		code, err := write(name, parseHeader(string(text)), types)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		files[strings.TrimSuffix(name, ".h")+".go"] = code
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no headers in %s", include)
	}
	return files, nil
}
