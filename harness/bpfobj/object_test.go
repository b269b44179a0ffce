// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
)

func TestKnobsRefused(t *testing.T) {
	labtest.AsRoot(t)
	for _, test := range []struct {
		knobs []harness.Knob
		want  string
	}{
		{[]harness.Knob{{Name: "flow_entrys", Value: 1}}, "flow_entries, flow_shared, new_flows_max, udp_idle_sec"},
		{[]harness.Knob{{Name: "cfg", Value: 1}}, "unknown knob"},
		{[]harness.Knob{{Name: "flow_shared", Value: 1 << 32}}, "does not fit"},
		{[]harness.Knob{{Name: "ring_size", Value: 1000}}, "not a prime"},
		{[]harness.Knob{{Name: "flow_entries", Value: 12}}, "multiple of 8"},
		{[]harness.Knob{{Name: "flow_shared", Value: 1}, {Name: "flow_shared", Value: 0}}, "twice"},
	} {
		_, err := New(Options{}).Load(harness.Variant{Object: "lb/xdp_ipip", Knobs: test.knobs}, harness.Site{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("knobs %v: %v; want an error with %q", test.knobs, err, test.want)
		}
	}
}

// TestRefusalShowsTheLog loads a program that reads beyond the packet.
func TestRefusalShowsTheLog(t *testing.T) {
	labtest.AsRoot(t)
	var ins asm.Instructions
	ins = append(ins, asm.LoadMem(asm.R2, asm.R1, 0, asm.Word).WithSource(asm.Comment("data = ctx->data;")))
	for range 200 { // what comes before does not matter and must not show
		ins = append(ins, asm.Mov.Imm(asm.R3, 1))
	}
	ins = append(ins,
		asm.LoadMem(asm.R0, asm.R2, 14, asm.Word).WithSource(asm.Comment("return data[14];")),
		asm.Return(),
	)
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{
		"bad": {Name: "bad", Type: ebpf.XDP, License: "GPL", Instructions: ins},
	}}
	_, err := LoadObject("test/bad", spec, nil, harness.Site{}, 0)
	if err == nil {
		t.Fatal("loaded")
	}
	if errors.Is(err, harness.ErrNotSupported) {
		t.Errorf("a refusal is taken for a missing feature: %v", err)
	}
	text := err.Error()
	t.Log(text)
	for _, want := range []string{"test/bad", "invalid access to packet", "(61) r0 = *(u32 *)(r2 +14)"} {
		if !strings.Contains(text, want) {
			t.Errorf("the error lacks %q:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\n"); n > logLines+4 {
		t.Errorf("the error has %d lines:\n%s", n, text)
	}
}

// TestRefusalOfLoops: the log of a long loop is left out, that of a shorter one is not; both say why.
func TestRefusalOfLoops(t *testing.T) {
	labtest.AsRoot(t)
	for _, tt := range []struct {
		rounds      int32 // of two instructions
		lines       int   // of the log, at most
		want, never string
	}{
		{10_000_000, 10, "BPF program is too large. Processed 1000001 insn", "r0 += 1"},
		{20_000, 50_000, "(61) r0 = *(u32 *)(r1 +4096)", "left out"},
	} {
		spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"bad": {Name: "bad", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R0, 0),
			asm.Add.Imm(asm.R0, 1).WithSymbol("loop"),
			asm.JLT.Imm(asm.R0, tt.rounds, "loop"),
			asm.LoadMem(asm.R0, asm.R1, 4096, asm.Word),
			asm.Return(),
		}}}}
		began := time.Now()
		_, err := LoadObject("test/loop", spec, nil, harness.Site{}, 0)
		t.Logf("%v: %v", time.Since(began), err)
		var refusal *ebpf.VerifierError
		if !errors.As(err, &refusal) || len(refusal.Log) > tt.lines {
			t.Errorf("%d rounds: the log has more than %d lines", tt.rounds, tt.lines)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), tt.never) {
			t.Errorf("%d rounds: %v; want %q in it and no %q", tt.rounds, err, tt.want, tt.never)
		}
	}
}

func TestLogEnd(t *testing.T) {
	log := []string{"; int x = f(); @ a.c:1"}
	for i := range 100 {
		log = append(log, fmt.Sprintf("%d: (b7) r3 = 1", i))
	}
	log = append(log, "100: "+strings.Repeat("R", 1000), "R0 !read_ok", "processed 3 insns (limit 1000000)", "")
	got := logEnd(log)
	if len(got) != logLines+2 || got[1] != log[0] || got[len(got)-1] != "R0 !read_ok" || len(got[len(got)-2]) > logWidth+8 {
		t.Errorf("logEnd: %q", got)
	}
}

// TestSummary: the message of an error is the verifier's, not a state or a statistic that follows it.
func TestSummary(t *testing.T) {
	const ins = "8: (56) if w2 != 0xfffffff9 goto pc-5 4: R1=ctx() R10=fp0"
	for want, log := range map[string][]string{
		"invalid argument: infinite loop detected at insn 4 (": {ins, "infinite loop detected at insn 4", "cur state: R1=ctx() R10=fp0 fp-8=mmmm", "old state: R1=ctx() R10=fp0 fp-8=mmmm",
			"verification time 57 usec", "stack depth 8", "processed 12 insns (limit 1000000) max_states_per_insn 0"},
		"invalid argument: back-edge from insn 5 to 2 (":        {ins, "back-edge from insn 5 to 2", "from 3 to 5: R0_w=1 R10=fp0", "9: frame1: R1=ctx()", ""},
		"invalid argument: 0: (95) exit: R0 !read_ok":           {"0: (95) exit", "R0 !read_ok", "processed 1 insns"},
		"invalid argument: R1 type=scalar expected=fp":          {"R1 type=scalar expected=fp", "R1=scalar() R10=fp0"},
		"invalid argument: R1=scalar() R10=fp0":                 {"R1=scalar() R10=fp0"}, // nothing else is there
		"invalid argument: BPF program is too large. Processed": {ins, "BPF program is too large. Processed 1000001 insn", "processed 1000001 insns"},
	} {
		err := explainLoad("test/new", nil, fmt.Errorf("program x: %w", &ebpf.VerifierError{Cause: unix.EINVAL, Log: log}))
		first, _, _ := strings.Cut(err.Error(), "\n")
		if !strings.Contains(first, want) {
			t.Errorf("%s; want %q", first, want)
		}
	}
}

// TestMissing: what another kernel has is not supported, what none has is the program's fault.
func TestMissing(t *testing.T) {
	for _, tt := range []struct {
		what, log string
		skip      bool
	}{
		{"a helper of another kernel", "invalid func unknown#208", true},
		{"a helper of no kernel", "invalid func unknown#100000", false},
		{"a kfunc without a form here", "invalid kernel function call not eliminated in verifier pass", true},
		{"a field that is not there", "bad CO-RE relocation", false},
		{"a refusal", "invalid access to packet", false},
	} {
		err := explainLoad("test/new", nil, &ebpf.VerifierError{Cause: unix.EINVAL, Log: []string{tt.log}})
		if errors.Is(err, harness.ErrNotSupported) != tt.skip {
			t.Errorf("%s: %v; not supported: want %v", tt.what, err, tt.skip)
		}
	}
}

// TestWrongObjects: programs that are wrong on purpose are errors that say so, and never not supported.
func TestWrongObjects(t *testing.T) {
	labtest.AsRoot(t)
	load := func(name string) (*ebpf.CollectionSpec, *btf.Cache) {
		spec, err := labtest.Object(name)
		if err != nil {
			t.Fatal(err)
		}
		return spec, btf.NewCache()
	}
	wants := func(name string, err error, words ...string) {
		if err == nil || errors.Is(err, harness.ErrNotSupported) {
			t.Errorf("%s: %v; want an error that is not a skip", name, err)
			return
		}
		t.Log(err)
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v; want %q", name, err, w)
			}
		}
	}
	spec, _ := load("refused")
	_, err := LoadObject("test/refused", spec, nil, harness.Site{}, 0)
	wants("refused", err, "invalid access to packet")

	spec, types := load("misspelt_cc")
	o, err := CheckCC("test/misspelt_cc", spec)
	if err != nil {
		t.Fatal(err)
	}
	_, err = LoadCC(types, o, "kx_bad", nil)
	wants("misspelt_cc", err, "kfunc tcp_reno_undo_cwmd is not in this kernel", "did you mean tcp_reno_undo_cwnd?")

	spec, _ = load("misspelt_scx") // of a kernel that has sched_ext
	err = resolveKfuncs(spec, kernelWith(t, kfuncOf("scx_bpf_dsq_insert", (*btf.Void)(nil), tTask, tU64, tU64, tU64)))
	wants("misspelt_scx", err, "kfunc scx_bpf_dsq_inserr is not in this kernel", "did you mean scx_bpf_dsq_insert?")
}
