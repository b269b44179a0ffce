// SPDX-License-Identifier: Apache-2.0

package sampler

import (
	"debug/elf"
	"encoding/binary"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
)

func raw(t *testing.T, head abi.StackSample, at ...uint64) []byte {
	t.Helper()
	b, err := binary.Append(nil, binary.NativeEndian, head)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range at {
		b = binary.NativeEndian.AppendUint64(b, a)
	}
	return b
}

func TestParseSample(t *testing.T) {
	head := abi.StackSample{Pid: 7, Tgid: 6, Kernel: 24, User: 8, Task: [abi.StackTask]byte{'w', 'r', 'k'}}
	got, stacks, ok := parseSample(raw(t, head, 1, 2, 0, 9))
	if !ok || got.Tgid != 6 || taskOf(got.Task) != "wrk" || !cmp.Equal(stacks, [2][]uint64{{1, 2}, {9}}) {
		t.Errorf("%+v %v %v", got, stacks, ok)
	}
	for _, bad := range [][]byte{nil, raw(t, head)[:headBytes-1], raw(t, head, 1, 2)} {
		if _, _, ok := parseSample(bad); ok {
			t.Errorf("a sample of %d bytes is taken", len(bad))
		}
	}
}

const someMaps = `00400000-01000000 r-xp 00000000 08:01 42                                 /usr/bin/some tool
01000000-02000000 rw-p 00c00000 08:01 42                                 /usr/bin/some tool
7f0000001000-7f0000002000 r-xp 00026000 08:01 43                         /usr/lib/libc.so.6
7f0000003000-7f0000004000 r-xp 00000000 00:00 0
7fff00000000-7fff00001000 r-xp 00000000 00:00 0                          [vdso]
`

func TestParseMaps(t *testing.T) {
	want := []mapping{
		{0x400000, 0x1000000, 0, "/usr/bin/some tool"}, {0x7f0000001000, 0x7f0000002000, 0x26000, "/usr/lib/libc.so.6"},
		{0x7f0000003000, 0x7f0000004000, 0, ""}, {0x7fff00000000, 0x7fff00001000, 0, "[vdso]"},
	}
	got := parseMaps([]byte(someMaps + "damaged\n"))
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mapping{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestName(t *testing.T) {
	n := &namer{files: map[string]*symbolFile{}}
	p := &process{mappings: parseMaps([]byte(someMaps))}
	for address, want := range map[uint64]string{
		0x400010: "[some tool]", 0x7f0000001010: "[libc.so.6]", 0x7f0000003010: "(code without a file)", 0x7fff00000010: "[vdso]", 0x9000000: "",
	} {
		if name, ok := n.name(p, address); name != want || ok != (want != "") {
			t.Errorf("%#x is %q, %v; want %q", address, name, ok, want)
		}
	}
	if name, ok := n.name(nil, 1); name != programEnded || !ok {
		t.Errorf("of a program that is gone: %q, %v", name, ok)
	}
}

// TestSymbolFile: a function is found by its place in the file, also where the file lies elsewhere in memory than it was linked for.
func TestSymbolFile(t *testing.T) {
	segment := elf.ProgHeader{Type: elf.PT_LOAD, Off: 0x1000, Vaddr: 0x402000, Filesz: 0x1000}
	f := &symbolFile{segments: []elf.ProgHeader{segment}, functions: []symbol{{"one", 0x402100, 0x10}, {"two", 0x402200, 0}}}
	for offset, want := range map[uint64]string{0x1100: "one", 0x110f: "one", 0x1110: "", 0x10ff: "", 0x1250: "two", 0x2200: "", 0x200: ""} {
		if got := f.name(offset); got != want {
			t.Errorf("at %#x: %q, want %q", offset, got, want)
		}
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip(err)
	}
	if f := readSymbolFile(tool); !slices.ContainsFunc(f.functions, func(s symbol) bool { return s.name == "main.main" && s.size > 0 }) {
		t.Errorf("%s has %d functions, but no main", tool, len(f.functions))
	}
	if got := readSymbolFile("/nonexistent").name(0); got != "" {
		t.Errorf("without a file: %q", got)
	}
}

func TestShortName(t *testing.T) {
	for name, want := range map[string]string{
		"github.com/kxlab/kxlab/harness/load.(*program).pipe.func2": "load.(*program).pipe.func2",
		"slices.SortFunc[go.shape.[]github.com/x/y.Z]":              "slices.SortFunc[go.shape.[]github.com/x/y.Z]",
		"main.main": "main.main", "ngx_http_handler": "ngx_http_handler",
	} {
		if got := shortName(name); got != want {
			t.Errorf("%s became %s, want %s", name, got, want)
		}
	}
}

// TestCut: a stack that leads to no code ends there, and a program with many such stacks is named.
func TestCut(t *testing.T) {
	b := builder{namer: &namer{files: map[string]*symbolFile{}}, processes: map[uint32]*process{1: {main: "nginx", mappings: parseMaps([]byte(someMaps))}},
		cut: map[string][2]int64{}}
	s := b.sample(1, "nginx", []uint64{100, 201}, []uint64{0x400010, 0x12345, 0x400020}, true)
	s.Value = 9
	b.countCut(s)
	if want := (harness.StackSample{Task: "nginx", User: []int{0}, Kernel: []int{1, 0}, Value: 9}); !cmp.Equal(s, want) {
		t.Errorf("%+v, want %+v", s, want)
	}
	if !slices.Equal(b.addresses.all, []uint64{100, 200}) || !slices.Equal(b.names.all, []string{"[some tool]"}) {
		t.Errorf("addresses %v, names %v", b.addresses.all, b.names.all)
	}
	whole := harness.StackSample{Task: "kxlab", User: []int{b.names.number("runtime.goexit"), b.names.number("main.main")}, Value: 9}
	b.countCut(whole)
	if notes := b.cutNotes(); len(notes) != 1 || !strings.Contains(notes[0], "nginx: in 100 % of its samples") || !strings.Contains(notes[0], "frame pointers") {
		t.Errorf("notes %q", notes)
	}
	if two := joined([]harness.StackSample{s, whole, s}); len(two) != 2 || two[0].Value != 18 {
		t.Errorf("joined: %+v", two)
	}
}

func TestLossNotes(t *testing.T) {
	if notes := lossNotes([abi.StackLosses]uint64{}); notes != nil {
		t.Errorf("nothing is lost: %q", notes)
	}
	var lost [abi.StackLosses]uint64
	for i := range lost {
		lost[i] = uint64(i + 100)
	}
	notes := strings.Join(lossNotes(lost), "\n")
	for i := range lost {
		if n := strings.Count(notes, string(rune('1'))+"0"+string(rune('0'+i))+" "); n != 1 {
			t.Errorf("the loss %s is named %d times:\n%s", abi.StackLostNames[i], n, notes)
		}
	}
}
