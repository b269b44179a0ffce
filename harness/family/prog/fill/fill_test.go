// SPDX-License-Identifier: Apache-2.0

package fill

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness/family/prog"
)

func object(t *testing.T, name string) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpec("../testdata/" + name + ".bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

const whole = `
vips:
  - {key: {addr: 10.0.0.1, port: 80, mac: 02:00:00:00:00:09, range: [{low: 1, high: 2}, {low: 3, high: 4}]}, value: 5}
each: [{key: 0, value: 0x10}]
outer: [{key: 1, value: [{key: 1, value: 7}]}]
jumps: [{key: 0, value: jumped}]
slot: 1
more: 0xfffffffe
`

// TestParse: fields, nested structs, arrays, a union without a name and the network's byte order become bytes.
func TestParse(t *testing.T) {
	fills, variables, err := Parse([]byte(whole), object(t, "filled"))
	if err != nil {
		t.Fatal(err)
	}
	want := []prog.Fill{
		{Map: "vips", Key: []byte{10, 0, 0, 1, 0, 80, 2, 0, 0, 0, 0, 9, 1, 0, 2, 0, 3, 0, 4, 0}, Value: []byte{5, 0, 0, 0}},
		{Map: "each", Key: []byte{0, 0, 0, 0}, Value: []byte{16, 0, 0, 0}},
		{Map: "outer", Key: []byte{1, 0, 0, 0}, Inner: []prog.Fill{{Map: "outer", Key: []byte{1, 0, 0, 0}, Value: []byte{7, 0, 0, 0}}}},
		{Map: "jumps", Key: []byte{0, 0, 0, 0}, Program: "jumped"},
	}
	if diff := cmp.Diff(want, fills); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff([]prog.Variable{{Name: "slot", Value: []byte{1, 0, 0, 0}}, {Name: "more", Value: []byte{254, 255, 255, 255}}}, variables); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	// The same bytes by other words.
	for _, key := range []string{"{bytes: [10, 0, 0, 1], port: 0x50, mac: 0x020000000009, range: 0x0100020003000400}", "0x0a000001005002000000000901 00020003000400"} {
		fills, _, err := Parse([]byte("vips: [{key: "+key+", value: 5}]"), object(t, "filled"))
		if err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(want[:1], fills); diff != "" {
			t.Errorf("%s: -want +got\n%s", key, diff)
		}
	}
}

// TestParseRefuses: each mistake is named with its place and, for a word, what was meant.
func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"vip: [{key: 1, value: 1}]":                      `line 1, column 1: unknown map or variable "vip", did you mean "vips"?`,
		"vips: [{key: {adr: 1}, value: 1}]":              `unknown field of vip "adr", did you mean "addr"?`,
		"vips: [{key: {addr: 1}, valu: 1}]":              `unknown key of an entry "valu", did you mean "value"?`,
		"vips: [{key: {port: 70000}, value: 1}]":         "line 1, column 21: map vips: key: field port: 70000 does not fit into 2 bytes",
		"vips: [{key: {port: 10.0.0.1}, value: 1}]":      "has 4 bytes, and 2 are there",
		"vips: [{key: {range: [1, 2, 3]}, value: 1}]":    "want a list of at most 2 items",
		"each: [{key: 0, value: eth0}]":                  `"eth0" is not a number of 4 bytes`,
		"each: [{key: 0, value: 1}, {key: 1, value: 1}]": "2 entries, and the map holds 1",
		"each: [{key: 0}]":                               "an entry needs key and value",
		"each: {key: 0, value: 1}":                       "want a list of entries",
		"jumps: [{key: 0, value: jump}]":                 `unknown program "jump", did you mean "jumped"?`,
		"slot: 0x100000000":                              "does not fit into 4 bytes",
		"slot: -3000000000":                              "-3000000000 is negative, and the type",
		"vips: [{key: {port: -1}, value: 1}]":            "line 1, column 21: map vips: key: field port: -1 is negative, and the type",
		"each: [{key: 7, value: 1}]":                     "line 1, column 14: map each: key: 7 is no index of a map of 1: want 0 to 0",
		"jumps: [{key: 2, value: jumped}]":               "line 1, column 15: map jumps: key: 2 is no index of a map of 2: want 0 to 1",
		"outer: [{key: 1, value: [{key: 2, value: 7}]}]": "key: 2 is no index of a map of 2",
		"":                     "the file is empty",
		"more: 1\n---\nmor: 1": "line 2, column 1: a second YAML document begins",
		"- 1":                  "want names of maps",
		"outer: [{key: 1, value: [{key: 0, value: [1]}]}]": "want a number, an address or bytes",
	} {
		if _, _, err := Parse([]byte(text), object(t, "filled")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// TestParseLargeValue: a value as large as the object says it is refused before there is a buffer for it.
func TestParseLargeValue(t *testing.T) {
	spec := object(t, "filled")
	spec.Maps["each"].ValueSize, spec.Maps["each"].Value = 1<<32-1, nil
	if _, _, err := Parse([]byte("each: [{key: 0, value: 0x01}]"), spec); err == nil || !strings.Contains(err.Error(), "1 x 4294967295 bytes, and at most 64 MiB can be given") {
		t.Error(err)
	}
}

// TestEncodeSign: a number keeps its value in the type, and hex its bits.
func TestEncodeSign(t *testing.T) {
	for _, c := range []struct {
		text     string
		size     uint32
		encoding btf.IntEncoding
		want     []byte // nil: refused
	}{
		{"-1", 2, btf.Signed, []byte{255, 255}}, {"32767", 2, btf.Signed, []byte{255, 127}}, {"32768", 2, btf.Signed, nil}, {"0x8000", 2, btf.Signed, []byte{0, 128}},
		{"-1", 2, btf.Unsigned, nil}, {"65535", 2, btf.Unsigned, []byte{255, 255}},
		{"7", 8, btf.Signed, []byte{7, 0, 0, 0, 0, 0, 0, 0}}, {"-1", 8, btf.Unsigned, nil},
	} {
		got, err := encode(&yaml.Node{Kind: yaml.ScalarNode, Value: c.text}, &btf.Int{Name: "n", Size: c.size, Encoding: c.encoding}, int(c.size))
		if (err == nil) != (c.want != nil) || err == nil && !bytes.Equal(got, c.want) {
			t.Errorf("%s in %d bytes, %v: %v, %v, want %v", c.text, c.size, c.encoding, got, err, c.want)
		}
	}
}

// FuzzParse: no text makes it panic, and what it takes fits into the maps.
func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	spec, err := ebpf.LoadCollectionSpec("../testdata/filled.bpf.o")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		fills, _, err := Parse(raw, spec)
		if err != nil {
			return
		}
		for _, x := range fills {
			if len(x.Key) != int(spec.Maps[x.Map].KeySize) {
				t.Errorf("map %s: key of %d bytes", x.Map, len(x.Key))
			}
		}
	})
}
