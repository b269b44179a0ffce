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
	"os"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
)

//go:embed */*.bpf.o
var objects embed.FS

const suffix = ".bpf.o"

// added are objects that are not embedded, by their names.
var added sync.Map

// Add makes an object known under a name, such as one of the user's. An object of that name is replaced.
func Add(name string, raw []byte) { added.Store(name, raw) }

// Open returns the specification of the named object. An unknown name is an error that lists all names.
func Open(name string) (*ebpf.CollectionSpec, error) {
	raw, err := Bytes(name)
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
func Bytes(name string) ([]byte, error) {
	if raw, ok := added.Load(name); ok {
		return raw.([]byte), nil
	}
	return objects.ReadFile(name + suffix)
}

//go:embed */*.mod.o
var modules embed.FS

const moduleSuffix = ".mod.o"

// Module returns the named kernel module as it was compiled: safety/null is bpf/safety/null.mod.c. An unknown name wraps fs.ErrNotExist.
func Module(name string) ([]byte, error) { return modules.ReadFile(name + moduleSuffix) }

// Modules lists all modules, sorted.
func Modules() []string {
	paths, _ := fs.Glob(modules, "*/*"+moduleSuffix) // the pattern is constant and valid
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(p, moduleSuffix)
	}
	return paths
}

//go:embed */*.user
var programs embed.FS

// User returns the named program of user space as it was linked: jit/functions is bpf/jit/functions.user.c. An unknown name wraps
// fs.ErrNotExist.
func User(name string) ([]byte, error) { return programs.ReadFile(name + ".user") }

//go:embed include/*.h
var headers embed.FS

// Headers are the headers that the lab's sources include, by their names.
func Headers() (map[string]string, error) {
	out := map[string]string{}
	entries, err := fs.ReadDir(headers, "include")
	for _, e := range entries {
		raw, err := headers.ReadFile("include/" + e.Name())
		if err != nil {
			return nil, err
		}
		out[e.Name()] = string(raw)
	}
	return out, err
}

// WriteHeaders writes the headers that the lab's sources include into a folder, which it makes.
func WriteHeaders(dir string) error {
	sub, err := fs.Sub(headers, "include")
	if err != nil {
		return err
	}
	return os.CopyFS(dir, sub)
}
