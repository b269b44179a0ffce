// SPDX-License-Identifier: Apache-2.0

// Package fill reads what the maps and the global variables of an object hold at the start of a run, from YAML:
//
//	vips:                                   # a map: a list of entries
//	  - key: {addr: 10.0.0.1, port: 80}     # fields by their names in the object's types
//	    value: 7
//	jumps: [{key: 0, value: handle_tcp}]    # a map of programs: a program's name
//	outer: [{key: 1, value: [{key: 0, value: 5}]}] # a map of maps: the entries of the inner map
//	debug: 1                                # a global variable
//
// It turns names and numbers into bytes by the types of the object (BTF), and touches no kernel.
package fill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/prog"
)

// example is the content of a file, in one line.
const example = "vips: [{key: 1, value: 2}]"

// maxBytes bounds the values of a map's entries: each has the size that the object says, however short it is in the file.
const maxBytes = 64 << 20

// Parse reads the text of a file for an object.
func Parse(raw []byte, spec *ebpf.CollectionSpec) (fills []prog.Fill, variables []prog.Variable, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, nil, fmt.Errorf("not YAML, such as %s: %s", example, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if line, err := harness.SecondDocument(raw); err != nil {
		return nil, nil, &placed{line, 1, err}
	}
	if len(doc.Content) == 0 {
		return nil, nil, fmt.Errorf("the file is empty: want names of maps, each with a list of entries, such as %s", example)
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, nil, at(top, fmt.Errorf("want names of maps, each with a list of entries, such as %s", example))
	}
	known := slices.Sorted(maps.Keys(spec.Maps))
	known = append(slices.DeleteFunc(known, func(name string) bool { return strings.HasPrefix(name, ".") }), slices.Sorted(maps.Keys(spec.Variables))...)
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		name := key.Value
		if v := spec.Variables[name]; v != nil && spec.Maps[name] == nil {
			if v.Type == nil {
				return nil, nil, at(key, fmt.Errorf("variable %s: the object has no types (BTF): compile it with -g", name))
			}
			b, err := encode(value, v.Type.Type, int(v.Size()))
			if err != nil {
				return nil, nil, at(value, in("variable "+name, err))
			}
			variables = append(variables, prog.Variable{Name: name, Value: b})
			continue
		}
		if err := harness.Known("map or variable", name, known); err != nil {
			return nil, nil, at(key, err)
		}
		more, err := entries(name, spec.Maps[name], value, spec)
		if err != nil {
			return nil, nil, at(value, in("map "+name, err))
		}
		fills = append(fills, more...)
	}
	return fills, variables, nil
}

// entries reads the entries of one map.
func entries(name string, m *ebpf.MapSpec, n *yaml.Node, spec *ebpf.CollectionSpec) (out []prog.Fill, err error) {
	if n.Kind != yaml.SequenceNode {
		return nil, at(n, errors.New("want a list of entries: - {key: 1, value: 2}"))
	}
	if int64(len(n.Content)) > int64(m.MaxEntries) && m.MaxEntries > 0 {
		return nil, at(n, fmt.Errorf("%d entries, and the map holds %d", len(n.Content), m.MaxEntries))
	}
	if int64(len(n.Content))*int64(m.ValueSize) > maxBytes {
		return nil, at(n, fmt.Errorf("%d x %d bytes, and at most %d MiB can be given", len(n.Content), m.ValueSize, maxBytes>>20))
	}
	for _, e := range n.Content {
		if e.Kind != yaml.MappingNode {
			return nil, at(e, errors.New("want an entry: {key: 1, value: 2}"))
		}
		f := prog.Fill{Map: name}
		var value *yaml.Node
		for i := 0; i+1 < len(e.Content); i += 2 {
			if err := harness.Known("key of an entry", e.Content[i].Value, []string{"key", "value"}); err != nil {
				return nil, at(e.Content[i], err)
			}
			if e.Content[i].Value == "value" {
				value = e.Content[i+1]
				continue
			}
			if f.Key, err = encode(e.Content[i+1], m.Key, int(m.KeySize)); err != nil {
				return nil, at(e.Content[i+1], in("key", err))
			}
			if index := binary.NativeEndian.Uint32(append(f.Key, 0, 0, 0, 0)); indexed(m.Type) && m.MaxEntries > 0 && index >= m.MaxEntries {
				return nil, at(e.Content[i+1], fmt.Errorf("key: %d is no index of a map of %d: want 0 to %d", index, m.MaxEntries, m.MaxEntries-1))
			}
		}
		keyless := m.Type == ebpf.Queue || m.Type == ebpf.Stack
		if value == nil || f.Key == nil && !keyless {
			return nil, at(e, errors.New("an entry needs key and value"))
		}
		switch m.Type {
		case ebpf.ProgramArray:
			err = harness.Known("program", value.Value, slices.Sorted(maps.Keys(spec.Programs)))
			f.Program = value.Value
		case ebpf.ArrayOfMaps, ebpf.HashOfMaps:
			if m.InnerMap == nil {
				return nil, at(value, errors.New("the object does not say what its inner maps are like"))
			}
			f.Inner, err = entries(name, m.InnerMap, value, spec)
		default:
			f.Value, err = encode(value, m.Value, int(m.ValueSize))
		}
		if err != nil {
			return nil, at(value, in("value", err))
		}
		out = append(out, f)
	}
	return out, nil
}

// indexed reports whether the keys of a type of map are numbers from 0 to its size.
func indexed(t ebpf.MapType) bool {
	return slices.Contains([]ebpf.MapType{ebpf.Array, ebpf.PerCPUArray, ebpf.ProgramArray, ebpf.PerfEventArray, ebpf.CGroupArray, ebpf.ArrayOfMaps,
		ebpf.DevMap, ebpf.CPUMap, ebpf.XSKMap, ebpf.SockMap, ebpf.ReusePortSockArray}, t)
}

// A placed error has the place in the file where the mistake is.
type placed struct {
	line, column int
	err          error
}

func (p *placed) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", p.line, p.column, p.err)
}
func (p *placed) Unwrap() error { return p.err }

// at gives an error the place of a node, unless it has one.
func at(n *yaml.Node, err error) error {
	var have *placed
	if err == nil || errors.As(err, &have) {
		return err
	}
	return &placed{n.Line, n.Column, err}
}

// in puts the name of a part before an error, behind the place.
func in(part string, err error) error {
	var have *placed
	if errors.As(err, &have) {
		return &placed{have.line, have.column, fmt.Errorf("%s: %w", part, have.err)}
	}
	return fmt.Errorf("%s: %w", part, err)
}
