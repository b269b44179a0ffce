// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"context"
	"encoding/binary"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/labtest"
)

// object makes a program of testdata known and returns its specification.
func object(t *testing.T, name string) *ebpf.CollectionSpec {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	bpf.Add("test/"+name, raw)
	spec, err := bpf.Open("test/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// open prepares a stage with one member of an object of testdata.
func open(t *testing.T, name string, side Side, inputs ...Input) *stage {
	t.Helper()
	labtest.AsRoot(t)
	object(t, name)
	raw, err := Data{Inputs: inputs, Sides: map[string]Side{name: side}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Family{Loader: bpfobj.New(bpfobj.Options{})}.Prepare(t.Context(), harness.Group{Data: raw,
		Members: []harness.Member{{Name: name, Variant: harness.Variant{Name: name, Object: "test/" + name, Attach: MethodRun}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*stage)
}

// trial measures one input shortly and returns the output and the result.
func trial(t *testing.T, s *stage, input string) (Output, harness.Result) {
	t.Helper()
	if err := s.absent[s.members[0].Name]; err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context(), s.members[0].Name); err != nil {
		t.Fatal(err)
	}
	r, err := s.Measure(t.Context(), harness.Cell{Workload: "run", Variant: s.members[0].Name, Axes: []harness.AxisValue{{Name: AxisInput, Value: input}}},
		harness.Budget{Measure: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range r.Series {
		if o, ok := ReadOutput(x); ok {
			return o, r
		}
	}
	t.Fatal("the result has no output")
	return Output{}, r
}

// loop is how the runs of a trial were made.
func loop(r harness.Result) string {
	s, _ := harness.Find(r.Series, func(s harness.Series) bool { return s.Name == "loop" })
	return s.Notes
}

// TestKinds: a program of each type runs, returns what it computes of its input, and leaves its context.
func TestKinds(t *testing.T) {
	args := func(v ...uint64) (out []byte) {
		for _, x := range v {
			out = binary.NativeEndian.AppendUint64(out, x)
		}
		return out
	}
	numbers := Input{Name: "numbers", Context: true, Data: args(40, 2)}
	for _, c := range []struct {
		program, input string
		inputs         []Input
		value          uint32
		loop           string
	}{
		{"kind_xdp", "udp4", nil, 2, "repeated in a call"},
		{"kind_xdp", "syn4", nil, 1, "repeated in a call"},
		{"kind_tc", "udp4", nil, 0, "one run a call"}, // it changes the mark
		{"kind_cgroup", "udp4", nil, 1, "repeated in a call"},
		{"kind_cgroup", "udp6", nil, 0, "repeated in a call"},
		{"kind_socket", "udp4", nil, 50, "repeated in a call"}, // without the Ethernet header
		{"kind_flow", "udp4", nil, 0, "repeated in a call"},
		{"kind_raw", "numbers", []Input{numbers}, 42, "one run a call"},
		{"kind_syscall", "numbers", []Input{numbers}, 5, "one run a call"},
		{"kind_syscall", "zeros", nil, 5, "one run a call"},
	} {
		t.Run(c.program+"/"+c.input, func(t *testing.T) {
			o, r := trial(t, open(t, "kinds", Side{Program: c.program}, c.inputs...), c.input)
			if o.Value != c.value || loop(r) != c.loop {
				t.Errorf("returns %d, %s; want %d, %s", o.Value, loop(r), c.value, c.loop)
			}
			if len(r.Metrics) != 1 || r.Metrics[0].Unit != "cpu-ns/run" {
				t.Errorf("metrics %v", r.Metrics)
			}
			switch c.program {
			case "kind_tc":
				if mark := binary.NativeEndian.Uint32(o.Context[8:]); mark != 7 {
					t.Errorf("mark %d", mark)
				}
			case "kind_flow":
				if len(o.Data) != keysSize || o.Data[9] != 42 { // ip_proto, behind nhoff, thoff, addr_proto and three flags
					t.Errorf("flow keys %x", o.Data)
				}
			case "kind_syscall":
				if got, first := binary.NativeEndian.Uint64(o.Context[8:]), binary.NativeEndian.Uint64(o.Context); got != first+first/20 { // 2 more than 40, or nothing more than 0
					t.Errorf("context %d, %d", first, got)
				}
			}
		})
	}
}

// TestContext: each run of a syscall program gets the same context, however often it ran before.
func TestContext(t *testing.T) {
	in := Input{Name: "numbers", Context: true, Data: binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, 40), 2)}
	s := open(t, "kinds", Side{Program: "kind_syscall"}, in)
	if err := s.on("kinds", func(p *program) error {
		c := newCall(p.kind, p.Program, in)
		_, err := c.time(5, true)
		if got := binary.NativeEndian.Uint64(c.ctxWork[8:]); got != 42 {
			t.Errorf("after five runs the context holds %d", got)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// TestHead: a program that moves the packet's head meets the same packet in each run. Repeated in one call it would run out of
// headroom.
func TestHead(t *testing.T) {
	s := open(t, "head", Side{})
	o, r := trial(t, s, "udp4")
	if o.Value != 3 || len(o.Data) != 68 || o.Data[0] != 0xee || loop(r) != "one run a call" {
		t.Errorf("returns %d with %d bytes, %s", o.Value, len(o.Data), loop(r))
	}
	if err := s.on("head", func(p *program) error {
		c := newCall(p.kind, p.Program, DefaultInputs(p.kind)[0])
		for single, want := range map[bool]uint32{true: 3, false: 1} {
			if _, err := c.time(200, single); err != nil || c.attr.retval != want {
				t.Errorf("after 200 runs, single %v: returns %d, %v; want %d", single, c.attr.retval, err, want)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestState: the outputs of a trial are those of the inputs in order on a program just loaded, in each trial again.
func TestState(t *testing.T) {
	s := open(t, "counting", Side{})
	for range 2 {
		for i, in := range []string{"udp4", "syn4", "udp6", "arp"} {
			if o, _ := trial(t, s, in); o.Value != uint32(1+i%2) {
				t.Errorf("input %s: returns %d", in, o.Value)
			}
		}
	}
}

// TestEmpty: the loop's own time is taken off: a system call, of a program that adds two numbers.
func TestEmpty(t *testing.T) {
	_, r := trial(t, open(t, "kinds", Side{Program: "kind_raw"}), "zeros")
	own, _ := harness.Find(r.Series, func(s harness.Series) bool { return s.Name == "loop" })
	if v := r.Metrics[0].Value; own.Y[0] < 50 || v > own.Y[0]/2 || v < -own.Y[0]/2 {
		t.Errorf("%v ns, and the loop %v", v, own.Y[0])
	}
}

// TestRefused: the verifier's line says why a program is refused, and no other program is blamed.
func TestRefused(t *testing.T) {
	s := open(t, "closed", Side{})
	if err := s.absent["closed"]; err == nil || !strings.Contains(err.Error(), "GPL") {
		t.Errorf("%v", err)
	}
}

// TestNotPinned: a map that asks for a pin by its name gets none.
func TestNotPinned(t *testing.T) {
	spec := object(t, "filled")
	if spec.Maps["vips"].Pinning != ebpf.PinByName {
		t.Fatal("the object pins nothing")
	}
	bpfobj.KeepOnly(spec, "filled")
	for name, m := range spec.Maps {
		if m.Pinning != ebpf.PinNone {
			t.Errorf("map %s is pinned", name)
		}
	}
	if spec.Programs["jumped"] == nil {
		t.Error("the program in the map of programs is gone")
	}
	spec = object(t, "kinds")
	bpfobj.KeepOnly(spec, "kind_tc")
	if len(spec.Programs) != 1 {
		t.Errorf("%d programs are left", len(spec.Programs))
	}
}

// TestPick: the only program that can be run is taken; otherwise the error names what there is.
func TestPick(t *testing.T) {
	kinds, base := object(t, "kinds"), object(t, "base")
	for _, c := range []struct {
		spec       *ebpf.CollectionSpec
		name, want string
	}{
		{base, "", ""},
		{kinds, "kind_tc", ""},
		{base, "bas", `unknown program "bas", did you mean "base"?`},
		{kinds, "", "7 programs that can be run: name one by --program: kind_cgroup (CGroupSKB), kind_flow"},
		{kinds, "kind_kprobe", "the kernel runs no Kprobe program"},
	} {
		_, _, err := Pick(c.spec, c.name)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %v, want %q", c.name, err, c.want)
		}
	}
	only := object(t, "kinds")
	for name := range only.Programs {
		if name != "kind_kprobe" {
			delete(only.Programs, name)
		}
	}
	if _, _, err := Pick(only, ""); err == nil || !strings.Contains(err.Error(), "XDP, tc, cgroup_skb, socket filter, flow dissector, raw tracepoint, syscall") {
		t.Errorf("%v", err)
	}
}

// TestCheckInputs: what the kernel would refuse is refused before.
func TestCheckInputs(t *testing.T) {
	xdp, raw := kinds[0], kinds[5]
	for _, c := range []struct {
		kind Kind
		in   Input
		want string
	}{
		{xdp, Input{Name: "a", Data: make([]byte, 14)}, ""},
		{xdp, Input{Name: "a", Data: make([]byte, 13)}, "13 bytes, and the kernel's test run takes no packet below 14"},
		{xdp, Input{Name: "a", Data: make([]byte, 4000)}, "at most"},
		{xdp, Input{Name: "a", Context: true, Data: make([]byte, 64)}, "it is a context, and a program of type XDP takes a packet"},
		{xdp, Input{Name: "a/b", Data: make([]byte, 64)}, "only letters"},
		{raw, Input{Name: "a", Packet: true, Data: make([]byte, 64)}, "it is a packet"},
		{raw, Input{Name: "a", Data: make([]byte, 9)}, "arguments of 8 bytes"},
	} {
		err := CheckInputs(c.kind, []Input{c.in})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.in, err, c.want)
		}
	}
	for _, k := range kinds {
		if err := CheckInputs(k, DefaultInputs(k)); err != nil {
			t.Error(err)
		}
	}
	if n := len(DefaultInputs(xdp)[0].Data); n != 64 {
		t.Errorf("the first packet has %d bytes", n)
	}
}

// TestDifference: the return value and the first byte in which outputs differ are named.
func TestDifference(t *testing.T) {
	k := kinds[0]
	a := Output{Value: 2, Data: []byte{1, 2, 3}, Context: []byte{0}}
	for _, c := range []struct {
		b    Output
		want string
	}{
		{a, ""},
		{Output{1, []byte{1, 2, 3}, []byte{0}}, "returns XDP_PASS (2) | XDP_DROP (1)"},
		{Output{2, []byte{1, 9, 3}, []byte{0}}, "packet byte 1 is 0x02 | 0x09"},
		{Output{2, []byte{1, 2, 3, 4}, []byte{0}}, "packet has 3 | 4 bytes, byte 3 is none | 0x04"},
		{Output{7, []byte{1, 2, 3}, []byte{5}}, "returns XDP_PASS (2) | 7; context byte 0 is 0x00 | 0x05"},
	} {
		if got := k.Difference(a, c.b); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if o, ok := ReadOutput(a.Series()); !ok || k.Difference(a, o) != "" {
		t.Errorf("read back: %v, %v", o, ok)
	}
}

// TestStops: a trial ends with its context.
func TestStops(t *testing.T) {
	s := open(t, "base", Side{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Measure(ctx, harness.Cell{Variant: "base", Axes: []harness.AxisValue{{Name: AxisInput, Value: "arp"}}}, harness.Budget{Measure: time.Second}); err == nil {
		t.Error("a trial goes on after its end")
	}
}

// TestLongCall: a test run of more than the 10 ms after which Go's runtime sends its thread a signal ends, and was made once.
func TestLongCall(t *testing.T) {
	for _, name := range []string{"base", "tcbase"} {
		s := open(t, name, Side{})
		if err := s.absent[name]; err != nil {
			t.Fatal(err)
		}
		if err := s.on(name, func(p *program) error {
			c := newCall(p.kind, p.Program, s.inputs(p.kind)[0])
			began := time.Now()
			_, err := c.time(1<<25, false)
			if took := time.Since(began); took < 30*time.Millisecond {
				t.Errorf("%s: 2^25 runs took %v, too short to say anything", name, took)
			}
			return err
		}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
