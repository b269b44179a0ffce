// SPDX-License-Identifier: Apache-2.0

// Package bpf holds the compiled BPF objects, embedded and named after their sources: lb/xdp_nat is bpf/lb/xdp_nat.bpf.c.
//
// It only reads ELF: a specification is independent of the running kernel. Package bpfobj loads it.
package bpf

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf"
)

//go:embed */*.bpf.o
var objects embed.FS

const suffix = ".bpf.o"

// Open returns the specification of the named object. An unknown name is an error that lists all names.
func Open(name string) (*ebpf.CollectionSpec, error) {
	raw, err := objects.ReadFile(name + suffix)
	if err != nil {
		return nil, fmt.Errorf("open BPF object %q: no such object (there are: %s)", name, strings.Join(Names(), ", "))
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read BPF object %q: %w", name, err)
	}
	return spec, nil
}

// Names lists all objects, sorted.
func Names() []string {
	paths, _ := fs.Glob(objects, "*/*"+suffix) // the pattern is constant and valid
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(p, suffix)
	}
	return paths
}

// Bytes returns the named object as it was compiled, for hashing.
func Bytes(name string) ([]byte, error) { return objects.ReadFile(name + suffix) }
