// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
)

// TestCommitted compares package abi with what the headers and the objects give now.
func TestCommitted(t *testing.T) {
	files, err := generate("../../include")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what `make bpf` writes (-want +got):\n%s", name, diff)
		}
	}
	have, _ := filepath.Glob("../*.go")
	want := append(slices.Collect(maps.Keys(files)), "doc.go")
	for _, path := range have {
		if !slices.Contains(want, filepath.Base(path)) {
			t.Errorf("%s: no header gives this file", path)
		}
	}
}

// TestCounters compares the names of counters with the maps that hold the counters.
func TestCounters(t *testing.T) {
	for _, object := range bpf.Names() {
		spec, err := bpf.Open(object)
		if err != nil {
			t.Fatal(err)
		}
		if m := spec.Maps["stats"]; m != nil && strings.HasPrefix(object, "lb/") && int(m.MaxEntries) != len(abi.LBStatNames) {
			t.Errorf("%s: %d counters, package abi has %d names", object, m.MaxEntries, len(abi.LBStatNames))
		}
		if m := spec.Maps["counts"]; m != nil && object == "traffic/sink" && m.MaxEntries != abi.TrafficSlots {
			t.Errorf("%s: %d slots a CPU, package abi has %d", object, m.MaxEntries, abi.TrafficSlots)
		}
	}
}

const headerText = `/* SPDX */
#ifndef KXLAB_X_H
#define KXLAB_X_H
#define X_MAX 16 /* of them */
#define X_MASK ((1 << X_MAX) - 1)
#define X_TEXT "no integer"

struct x_key {
	__be32 addr[4]; /* of the client */
	__u8 proto;
};

enum x_stat {
	X_STAT_GOOD, /* all is well */
	X_STAT_BAD_LUCK,
	X_STATS,
};
#endif
`

func TestHeader(t *testing.T) {
	types := map[string]layout{"x_key": {size: 17, fields: []field{{"addr", "[16]byte", 0, 16}, {"proto", "uint8", 16, 1}}}}
	got, err := write("x.h", parseHeader(headerText), types)
	if err != nil {
		t.Fatal(err)
	}
	want := `// SPDX-License-Identifier: Apache-2.0

// Code generated from bpf/include/x.h by bpf/abi/gen. DO NOT EDIT.

package abi

// The constants of bpf/include/x.h.
const (
	XMax  = 16 // of them
	XMask = ((1 << XMax) - 1)
)

// XKey is struct x_key, 17 bytes.
type XKey struct {
	Addr  [16]byte // of the client
	Proto uint8
}

// The values of enum x_stat.
const (
	XStatGood = iota // all is well
	XStatBadLuck
	XStats
)

// XStatNames are the names of enum x_stat, in its order.
var XStatNames = [XStats]string{
	"good",
	"bad_luck",
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := write("x.h", parseHeader(headerText), nil); err == nil {
		t.Error("a struct that no object has is no error")
	}
}

func TestLayout(t *testing.T) {
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	be32 := &btf.Typedef{Name: "__be32", Type: u32}
	u8 := &btf.Int{Name: "unsigned char", Size: 1}
	char := &btf.Int{Name: "char", Size: 1, Encoding: btf.Signed}
	s64 := &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}
	members := func(types ...btf.Type) *btf.Struct {
		s := &btf.Struct{Name: "s"}
		for _, typ := range types {
			size, _ := btf.Sizeof(typ)
			s.Members = append(s.Members, btf.Member{Name: "m", Type: typ, Offset: btf.Bits(8 * s.Size)})
			s.Size += uint32(size)
		}
		return s
	}
	hole := members(u8, u32)
	hole.Members[1].Offset, hole.Size = 32, 8
	tail := members(u32, u8)
	tail.Size = 8
	bits := members(u32)
	bits.Members[0].BitfieldSize = 3
	for _, tt := range []struct {
		name string
		s    *btf.Struct
		want string // Go types; empty: an error
	}{
		{"network order", members(be32, &btf.Array{Type: be32, Nelems: 4}), "[4]byte [16]byte"},
		{"bytes and text", members(u8, &btf.Array{Type: u8, Nelems: 6}, &btf.Array{Type: char, Nelems: 8}), "uint8 [6]byte [8]byte"},
		{"integers", members(u32, &btf.Array{Type: u32, Nelems: 2}, s64), "uint32 [2]uint32 int64"},
		{"a hole", hole, ""},
		{"a hole at the end", tail, ""},
		{"a bit field", bits, ""},
		{"a pointer", members(&btf.Pointer{Target: u32}), ""},
	} {
		l, err := layoutOf(tt.s)
		var types []string
		for _, f := range l.fields {
			types = append(types, f.typ)
		}
		if tt.want == "" && err == nil || tt.want != "" && (err != nil || strings.Join(types, " ") != tt.want) {
			t.Errorf("%s: %v, %v; want %q", tt.name, types, err, tt.want)
		}
	}
}
