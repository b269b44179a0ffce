// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/harness/family/prog/packet"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/record"
)

// copyPrograms copies the test programs of family prog into a folder.
func copyPrograms(t *testing.T, dir string) {
	t.Helper()
	all, err := filepath.Glob("../../family/prog/testdata/*.bpf.o")
	if err != nil || len(all) == 0 {
		t.Fatal(err, "no programs")
	}
	for _, path := range all {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestABProgRefuses: what cannot be run by itself is said before a guest boots.
func TestABProgRefuses(t *testing.T) {
	dir := t.TempDir()
	copyPrograms(t, dir)
	t.Chdir(dir)
	for name, raw := range map[string]string{
		"short.bin": "0123456789", "cut.pcap": "\xd4\xc3\xb2\xa1\x02\x00", "none.yaml": "vip: []\n", "args.yaml": "- context: [1]\n", "more.yaml": "more: 1\n", "text.yaml": "hello\n",
	} {
		if err := os.WriteFile(name, []byte(raw), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		said string
	}{
		{"base.bpf.o kinds.bpf.o", codeUsage, "kinds.bpf.o: the object has 7 programs that can be run: name one by --program: kind_cgroup (CGroupSKB), "},
		{"base.bpf.o kinds.bpf.o --program base,kind_xpd", codeUsage, `unknown program "kind_xpd", did you mean "kind_xdp"?`},
		{"base.bpf.o kinds.bpf.o --program base,kind_tc", codeUsage, "A is a program of type XDP and B of type tc"},
		{"kinds.bpf.o kinds.bpf.o --program kind_kprobe", codeFailed, "the kernel runs no Kprobe program (section \"kprobe/none\") by itself; it runs programs of the types XDP, tc, "},
		{"base.bpf.o plus8.bpf.o --input short.bin", codeUsage, "input short: 10 bytes, and the kernel's test run takes no packet below 14, an Ethernet header"},
		{"base.bpf.o plus8.bpf.o --input cut.pcap", codeFailed, "read input cut.pcap: not a capture"},
		{"base.bpf.o plus8.bpf.o --input none.pcap", codeFailed, "no such file"},
		{"base.bpf.o plus8.bpf.o --input args.yaml", codeUsage, "input args: it is a context, and a program of type XDP takes a packet"},
		{"base.bpf.o plus8.bpf.o --input text.yaml", codeUsage, "want a list of inputs"},
		{"filled.bpf.o filled.bpf.o --program filled --maps none.yaml", codeUsage, `line 1, column 1: unknown map or variable "vip", did you mean "vips"?`},
		{"base.bpf.o base.bpf.o --maps none.yaml", codeUsage, `unknown map or variable "vip" (there is none)`},
		{"filled.bpf.o base.bpf.o --program filled,base --maps more.yaml", codeUsage, `base.bpf.o: --maps more.yaml: line 1, column 1: unknown map or variable "more"`},
		{"filled.bpf.o filled.bpf.o --program filled --maps more.yaml,none.yaml", codeUsage, "filled.bpf.o: --maps none.yaml: line 1"},
		{"base.bpf.o large.bpf.o", codeFailed, "large.bpf.o: map huge needs "},
		{"base.bpf.o outer.bpf.o", codeFailed, "outer.bpf.o: map tables: the object does not say what its inner maps are like"},
		{"base.bpf.o old.bpf.o", codeFailed, "old.bpf.o: map table: an old definition with 8 bytes that only one loader understands"},
		{"base.bpf.o plus8.bpf.o --axis input=udp5", codeUsage, `unknown input "udp5", did you mean "udp4"?`},
		{"base.bpf.o text.o", codeFailed, "there is no such file"},
		{"scx-vtime scx-fifo --program x", codeUsage, "--program: only for programs by themselves; this pair is measured by experiment sched"},
		{"iptables xdp-nat --like prog", codeUsage, "iptables: it has no BPF object"},
	} {
		code, out, said := try(t, append([]string{"ab"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(said, c.said) || out != "" {
			t.Errorf("ab %s: exit code %d, %q; want %d, %q", c.args, code, said, c.code, c.said)
		}
	}
	if left, _ := filepath.Glob("results/*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// onceACall finds what A and B take on input one.
var onceACall = regexp.MustCompile(`input=one +insn/run +(\S+) +(\S+)`)

// TestABProg: eight planted instructions are found to the digit, a program twice shows nothing, other outputs are an error, and a program
// that the verifier refuses is named with its words. TestKeptReports has the text about other outputs, which are no error if they are allowed.
func TestABProg(t *testing.T) {
	needsGuests(t)
	dir := t.TempDir()
	copyPrograms(t, dir)
	for name, raw := range map[string][]byte{
		"one.bin": packet.Parse("ethernet|ipv4|udp|payload zeros=22"), "one.yaml": []byte("more: 1\n"), "two.yaml": []byte("more: 2\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		fail string // on standard error; empty: exit code 0
		out  string // a regular expression
	}{
		{"base.bpf.o plus8.bpf.o", "", `^plus8.bpf.o takes 8\.0 more instructions a run than base.bpf.o .*: worse \(run/input=udp4; of 4 rows 0 better, 4 worse\)\.\n(.*\n)*.*outputs: equal for 4 of 4 inputs\n(.*\n)*  input=udp4  insn/run  0  8\.00 (.*\n)*.*base \| plus8 +2 +10 (.*\n)*Where it comes from: run input=udp4\n  function .*\n  base \| plus8 \[bpf\] +[0-9.]+ +[0-9.]+ +\+8\.0\n`},
		{"head.bpf.o head.bpf.o --input one.bin --repeat 5", "", `^No difference is shown between head.bpf.o and head.bpf.o(.*\n)*.*\[[+]0\.0 %, [+]0\.0 %\]`},
		// As JSON an answer has no functions, whose counting takes two more guests.
		{"base.bpf.o head.bpf.o --input one.bin --format json",
			"the outputs of A and B differ for 1 of 1 input, the first one: returns XDP_PASS (2) | XDP_TX (3); packet has 64 | 68 bytes, byte 0 is 0x02 | 0xee", ``},
		{"filled.bpf.o filled.bpf.o --program filled --maps one.yaml,two.yaml --input one.bin --format json", "returns XDP_DROP (1) | XDP_PASS (2)", ``},
		{"filled.bpf.o filled.bpf.o --program filled,jumped --input one.bin --format json", "returns XDP_ABORTED (0) | 99", ``},
		{"base.bpf.o closed.bpf.o --input one.bin", "GPL", ``},
		{"kinds.bpf.o kinds.bpf.o --program kind_raw --format json", "", `^\{\n(  .*\n)*  "rows": \[\n    \{\n(      .*\n)*      "verdict": "~"\n    \}\n  \],\n`},
	} {
		cmd, errs := command(t, dir, append([]string{"ab", "--repeat", "2", "--fresh"}, strings.Fields(c.args)...)...)
		out, err := cmd.Output()
		if (err == nil) != (c.fail == "") || !strings.Contains(errs.String(), c.fail) || !regexp.MustCompile(c.out).Match(out) {
			t.Errorf("ab %s: %v\n%s%s\nwant %q, %s", c.args, err, out, errs, c.fail, c.out)
		}
		if m := onceACall.FindSubmatch(out); m != nil && strings.HasPrefix(c.args, "head.bpf.o head.bpf.o") && !bytes.Equal(m[1], m[2]) {
			t.Errorf("ab %s: one program takes %s and %s instructions", c.args, m[1], m[2])
		}
	}
}

// TestDifferences: outputs are compared repeat by repeat, an input is listed once, and one that differs from itself is marked.
func TestDifferences(t *testing.T) {
	run := func(values ...[2]uint32) *record.Run { // of inputs x and y, a pair a repeat
		r := &record.Run{}
		for repeat, v := range values {
			for i, name := range []string{"x", "y"} {
				o := prog.Output{Value: v[i]}
				r.Trials = append(r.Trials, harness.Trial{Repeat: repeat, Cell: harness.Cell{Axes: []harness.AxisValue{{Name: prog.AxisInput, Value: name}}},
					Result: harness.Result{Series: []harness.Series{o.Series()}}})
			}
		}
		return r
	}
	for _, c := range []struct {
		a, b *record.Run
		want string
		n    int
	}{
		{run([2]uint32{1, 2}, [2]uint32{1, 2}), run([2]uint32{1, 2}, [2]uint32{1, 2}), "", 2},
		{run([2]uint32{1, 2}, [2]uint32{1, 2}), run([2]uint32{1, 3}, [2]uint32{1, 3}), "y: returns 2 | 3", 2},
		{run([2]uint32{1, 2}, [2]uint32{1, 5}), run([2]uint32{1, 2}, [2]uint32{1, 2}), "y: returns 5 | 2 (A differs from itself between repeats: it uses chance or the clock)", 2},
		{run([2]uint32{1, 2}), run(), "", 0},
	} {
		if got, n := differences(prog.Kind{}, c.a, c.b); strings.Join(got, "\n") != c.want || n != c.n {
			t.Errorf("%q of %d, want %q of %d", got, n, c.want, c.n)
		}
	}
	s := func(all ...prog.Size) *record.Run {
		r := &record.Run{Trials: []harness.Trial{{}}}
		for _, x := range all {
			r.Trials[0].Result.Series = append(r.Trials[0].Result.Series, x.Series())
		}
		return r
	}
	if got := sizes(s(prog.Size{Program: "a", Verified: 1, Native: 2}), s(prog.Size{Program: "b", Verified: 3, Native: 4})); len(got) != 1 || got[0] != (page.Size{Program: "a | b", VerifiedA: 1, VerifiedB: 3, NativeA: 2, NativeB: 4}) {
		t.Errorf("%+v", got)
	}
	if got := sizes(s(prog.Size{Program: "a", Verified: 1}, prog.Size{Program: "b"}), s(prog.Size{Program: "b", Verified: 3})); len(got) != 2 || got[1].VerifiedB != 3 {
		t.Errorf("%+v", got)
	}
	if n := bpfobj.GuestMemory(1024, 100<<20); n != 1024 {
		t.Errorf("%d MiB for 100", n)
	}
	if n := bpfobj.GuestMemory(1024, 1<<30); n != 2048 {
		t.Errorf("%d MiB for 1024", n)
	}
}

// TestLoading: the estimate knows that a large map takes long to make.
func TestLoading(t *testing.T) {
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip(err)
	}
	t.Chdir(t.TempDir())
	const program = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 512 << 14); __type(key, __u32); __type(value, char[64]); } m SEC(".maps");
SEC("xdp") int f(struct xdp_md *ctx) { __u32 k = 1; return bpf_map_lookup_elem(&m, &k) ? 2 : 1; }
`
	if err := os.WriteFile("large.bpf.c", []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := openPair(t.Context(), vocabulary(), abFlags{}, "large.bpf.c", "large.bpf.c")
	if err != nil || p.experiment.Loading < 512*loadMiB || p.experiment.Loading > 600*loadMiB {
		t.Fatalf("%v, %+v", err, p)
	}
}
