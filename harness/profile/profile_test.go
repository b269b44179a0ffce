// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
)

const kallsyms = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000100 T __pfx_ip_rcv
ffffffff81000110 T ip_rcv
ffffffff81000110 t ip_rcv.alias
ffffffff81000200 D some_data
ffffffff81000300 t kfree
ffffffffc0001000 t ip_vs_in	[ip_vs]
ffffffffc0001080 t ip_vs_out	[ip_vs]
ffffffffc0005000 t nft_do_chain	[nf_tables]
ffffffffc0009000 t bpf_prog_1234_old	[bpf]
ffffffffc000a000 t trampoline	[__builtin__ftrace]
`

// space is a guest with three modules, of which nf_tables lies elsewhere than where the symbols are from, and two programs.
func space(t *testing.T) *Space {
	t.Helper()
	symbols, err := ParseKallsyms(strings.NewReader(kallsyms))
	if err != nil {
		t.Fatal(err)
	}
	k := Kernel{Symbols: symbols, Modules: []harness.Symbol{{Name: "ip_vs", Start: 0xffffffffc0001000}, {Name: "nf_tables", Start: 0xffffffffc0005000}}}
	return NewSpace(k, harness.Counted{
		Programs: []harness.Symbol{{Name: "late", Start: 0xffffffffc0009800, Size: 64}, {Name: "xdp_main", Start: 0xffffffffc0009000, Size: 256}},
		Modules: []harness.Symbol{
			{Name: "nf_tables", Start: 0xffffffffc0006000, Size: 0x1000}, {Name: "ip_vs", Start: 0xffffffffc0001000, Size: 0x1000},
		},
	})
}

func TestSpace(t *testing.T) {
	s := space(t)
	for address, want := range map[uint64]string{
		0x401000:           UserSpace,
		0xffffffff81000050: "_stext",
		0xffffffff81000110: "ip_rcv",
		0xffffffff810002ff: "ip_rcv", // data is no function
		0xffffffff81000300: "kfree",
		0xffffffff80000010: Other,
		0xffff888000001000: Other,
		0xffffffffc0001090: "ip_vs_out [ip_vs]",
		0xffffffffc0003000: Unnamed, // beyond ip_vs
		0xffffffffc0006010: "[nf_tables]",
		0xffffffffc0009000: "xdp_main [bpf]",
		0xffffffffc00090ff: "xdp_main [bpf]",
		0xffffffffc0009100: Unnamed,
		0xffffffffc0009810: "late [bpf]",
		0xffffffffc0000010: Unnamed, // before all modules
	} {
		if got := s.Name(address); got != want {
			t.Errorf("%#x: %q, want %q", address, got, want)
		}
	}
}

// Without the right to see addresses all of them are 0.
func TestNoSymbols(t *testing.T) {
	for _, text := range []string{"", "0000000000000000 T _stext\n0000000000000000 T kfree\n"} {
		if _, err := ParseKallsyms(strings.NewReader(text)); !errors.Is(err, harness.ErrNotSupported) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTable(t *testing.T) {
	s := space(t)
	w := Window{Rest: Counts{0x401000: 100, 0xffffffff81000110: 50, 0xffffffff81000120: 30, 0xffffffffc0009000: 10, 0xffffffff81000300: 1}}
	got := NewTable("X", w, harness.CountedWindow{Unit: "insn/op", Amount: 10}, s)
	want := Table{Cell: "X", Unit: "insn/op", Whole: 19.1, Functions: []Function{
		{UserSpace, 10}, {"ip_rcv", 8}, {"xdp_main [bpf]", 1}, {"kfree", 0.1},
	}}
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Error(diff)
	}
	w = Window{Laps: []Counts{{0x401000: 640}, {0x401000: 6400}, {0x401000: 640, 0xffffffff81000300: 1}}}
	got = NewTable("X", w, harness.CountedWindow{Unit: "insn/pkt", Amount: 64, Laps: true}, s)
	want = Table{Cell: "X", Unit: "insn/pkt", Whole: 10.016, Functions: []Function{{UserSpace, 10}, {"kfree", 0.016}}}
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Error(diff)
	}
	// Turns of an empty program are taken off, with what they share with those of the program under test. Each turn has work of others in it.
	w = Window{Laps: []Counts{
		{0x401000: 9000, 0xffffffffc0009000: 160}, {0x401000: 500, 0xffffffff81000110: 32, 0xffffffff81000300: 7},
		{0x401000: 500, 0xffffffffc0009000: 160, 0xffffffff81000300: 70}, {0x401000: 800, 0xffffffff81000110: 32},
		{0x401000: 500, 0xffffffffc0009000: 190}, {0x401000: 500, 0xffffffff81000110: 50},
	}}
	got = NewTable("X", w, harness.CountedWindow{Unit: "insn/run", Amount: 16, Laps: true, Empty: true}, s)
	want = Table{Cell: "X", Unit: "insn/run", Whole: 8, Functions: []Function{{"xdp_main [bpf]", 10}, {"ip_rcv", -2}}}
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Error(diff)
	}
	// Many functions with next to nothing each are one row, and the parts sum to the whole.
	small := Window{Rest: Counts{}}
	for i := range uint64(100) {
		small.Rest[0xffffffff81000110+i<<12] = 1
	}
	got = NewTable("X", small, harness.CountedWindow{Unit: "insn/op", Amount: 1e4}, manySpace{}.space())
	if len(got.Functions) != 1 || got.Functions[0].Name != "(rest)" || math.Abs(got.Whole-0.01) > 1e-9 {
		t.Errorf("small functions: %+v", got)
	}
}

var near = cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })

type manySpace struct{}

// space has a function on each page.
func (manySpace) space() *Space {
	s := &Space{}
	for i := range uint64(100) {
		s.kernel = append(s.kernel, harness.Symbol{Name: "f" + string(rune('A'+i)), Start: 0xffffffff81000000 + i<<12})
	}
	return s
}

func TestCompare(t *testing.T) {
	a := Table{Whole: 100, Functions: []Function{{"same", 60}, {"less", 30}, {"only a", 10}}}
	b := Table{Whole: 112, Functions: []Function{{"same", 60}, {"only b", 30}, {"less", 22}}}
	want := []Change{{"only b", 0, 30}, {"only a", 10, 0}, {"less", 30, 22}}
	if diff := cmp.Diff(want, Compare(a, b)); diff != "" {
		t.Error(diff)
	}
	// A program under another name is one row; of two it is not known which is which.
	x := Table{Functions: []Function{{"base [bpf]", 7}, {"same [bpf]", 5}}}
	y := Table{Functions: []Function{{"plus8 [bpf]", 15}, {"same [bpf]", 5}}}
	if diff := cmp.Diff([]Change{{"base | plus8 [bpf]", 7, 15}}, Compare(x, y)); diff != "" {
		t.Error(diff)
	}
	y.Functions = append(y.Functions, Function{"other [bpf]", 1})
	if diff := cmp.Diff([]Change{{"plus8 [bpf]", 0, 15}, {"base [bpf]", 7, 0}, {"other [bpf]", 0, 1}}, Compare(x, y)); diff != "" {
		t.Error(diff)
	}
	if got := Compare(a, a); len(got) != 0 {
		t.Errorf("a table against itself: %v", got)
	}
	if diff := cmp.Diff([]string{"only b", "only a"}, Leading([]Table{a, b}, 2)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"same", "less", "only a"}, Leading([]Table{a}, 5)); diff != "" {
		t.Error(diff)
	}
}

// TestPrograms: a call's instructions are those of the whole window over its calls; a function of two programs counts once.
func TestPrograms(t *testing.T) {
	s := space(t)
	s.programs = append(s.programs, harness.Symbol{Name: "xdp_main", Start: 0xffffffffc0009a00, Size: 64})
	w := Window{Laps: []Counts{{0xffffffffc0009000: 600, 0xffffffffc0009050: 100}, {0xffffffffc0009000: 300, 0xffffffffc0009a00: 50}}, Rest: Counts{0xffffffffc0009000: 50}}
	w.enter(map[uint64]uint64{0xffffffffc0009000: 50, 0xffffffffc0009050: 10, 0xffffffffc0009a00: 5, 0xffffffff81000110: 7})
	got := NewTable("X", w, harness.CountedWindow{Unit: "insn/pkt", Amount: 10, Laps: true}, s).Programs
	if diff := cmp.Diff([]Program{{"xdp_main", 1.75, 20}}, got, near); diff != "" {
		t.Error(diff)
	}
	a := Table{Programs: []Program{{"f", 1, 10}, {"g", 1, 7}, {"mark", 1, 1}}}
	b := Table{Programs: []Program{{"f", 1, 11}, {"h", 2, 30}, {"mark", 1, 9}}}
	changes := ComparePrograms(a, b, func(name string) bool { return name != "mark" })
	if diff := cmp.Diff([]ProgramChange{{"g | h", a.Programs[1], b.Programs[1]}, {"f", a.Programs[0], b.Programs[0]}}, changes); diff != "" {
		t.Error(diff)
	}
	// Two functions that do the same under other names, such as an operation, are one row each once they have one name.
	a.Programs[0].Name, a.Functions = "k", []Function{{"k [bpf]", 10}, {"g [bpf]", 7}, {"k", 3}}
	b.Functions = []Function{{"f [bpf]", 11}, {"h [bpf]", 60}, {"k", 3}}
	x, y := a.Rename("k", "k | f"), b.Rename("f", "k | f")
	if diff := cmp.Diff([]Change{{"g | h [bpf]", 7, 60}, {"k | f [bpf]", 10, 11}}, Compare(x, y)); diff != "" {
		t.Error(diff)
	}
	if x.Programs[0].Name != "k | f" || y.Programs[0].Name != "k | f" || a.Programs[0].Name != "k" {
		t.Errorf("renamed: %v, %v; the table itself: %v", x.Programs, y.Programs, a.Programs)
	}
}
