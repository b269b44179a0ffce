// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
)

const stackSymbols = `ffffffff81000000 T _stext
ffffffff81000100 T ip_rcv
ffffffff81000200 t __schedule
ffffffff81000300 T schedule
ffffffff81000400 t handle_softirqs
ffffffff81000500 t default_idle
ffffffffa9000000 T late_function
ffffffffaa000000 T _etext
ffffffffc0001000 t ip_vs_in	[ip_vs]
`

// sampled are stacks over a kernel that lies where a randomized one does.
func sampled(t *testing.T) (harness.Stacks, Kernel) {
	symbols, err := ParseKallsyms(strings.NewReader(stackSymbols))
	if err != nil {
		t.Fatal(err)
	}
	modules := []harness.Symbol{{Name: "ip_vs", Start: 0xffffffffc0001000, Size: 0x1000}}
	return harness.Stacks{
		Length: 1e9, Period: 1000,
		Addresses: []uint64{0xffffffff81000110, 0xffffffff81000210, 0xffffffff81000310, 0xffffffff81000410, 0xffffffff81000510,
			0xffffffffa9000010, 0xffffffffc0001010, 0xffffffffc0003010, 0xffffffffc0004010, 0xffffffffc0005010},
		Names:    []string{"main.main", "a;b", "write", "sampler.(*Sampler).poll", "runtime.findRunnable"},
		Programs: []harness.Symbol{{Name: "xdp_nat", Start: 0xffffffffc0003000, Size: 0x100}, {Name: "kx_switch", Start: 0xffffffffc0004000, Size: 0x100}},
		Modules:  modules,
	}, Kernel{Symbols: symbols, Modules: modules}
}

// TestProfiles: stacks are named from the task to the innermost function and joined; what is no work of the load is left out and noted.
func TestProfiles(t *testing.T) {
	s, k := sampled(t)
	s.Notes = []string{"3 samples are lost"}
	s.OnCPU = []harness.StackSample{
		{Task: "wrk", User: []int{0, 1}, Kernel: []int{0, 7}, Value: 2},
		{Task: "wrk", User: []int{0, 1}, Kernel: []int{0, 7}, Value: 1},
		{Task: "busy3", User: []int{0}, Value: 5},
		{Task: "ksoftirqd/1", Kernel: []int{3, 5, 6}, Value: 1},
		{Task: "kxlab", Kernel: []int{9, 9}, Value: 1},
		{Task: "kxlab", Value: 1},
		{Task: "swapper/0", Kernel: []int{4}, Value: 40},
		{Task: "swapper/1", Kernel: []int{4, 3, 0}, Value: 4},
		{Task: "wrk", Kernel: []int{1, 8}, Value: 6},
		{Task: "kxlab", User: []int{0, 3}, Kernel: []int{0}, Value: 2},
	}
	s.OffCPU = []harness.StackSample{
		{Task: "wrk", User: []int{2}, Kernel: []int{2, 1, 8}, Value: 700},
		{Task: "wrk", User: []int{2}, Kernel: []int{2, 1, 8}, Waits: true, Value: 30},
		{Task: "kxlab", User: []int{4, 2}, Kernel: []int{2, 1, 8}, Value: 2e9},
		{Task: "kxlab", User: []int{4, 2}, Kernel: []int{2, 1, 8}, Waits: true, Value: 5},
		{Task: "kworker/1:2", Kernel: []int{2, 1, 8}, Value: 5e8},
	}
	all := Profiles("C", "ns", s, k)
	want := []Stack{
		{"(interrupts of an idle CPU);handle_softirqs_[k];ip_rcv_[k]", 4000},
		{"busy;main.main", 5000},
		{"ksoftirqd;handle_softirqs_[k];late_function_[k];ip_vs_in [ip_vs]_[k]", 1000},
		{"kxlab;(BPF trampolines and dispatchers)_[k]", 1000},
		{"kxlab;(stack lost)", 1000},
		{"wrk;main.main;a,b;ip_rcv_[k];xdp_nat [bpf]", 3000},
	}
	if diff := cmp.Diff(want, all[0].Stacks); diff != "" {
		t.Errorf("on-CPU (-want +got):\n%s", diff)
	}
	want = []Stack{
		{"kxlab;runtime.findRunnable;write;schedule_[k];(waits for a CPU)", 5},
		{"wrk;write;schedule_[k]", 700}, {"wrk;write;schedule_[k];(waits for a CPU)", 30},
	}
	if diff := cmp.Diff(want, all[1].Stacks); diff != "" {
		t.Errorf("off-CPU (-want +got):\n%s", diff)
	}
	if !slices.ContainsFunc(all[1].Notes, func(n string) bool { return strings.HasPrefix(n, "2.5 s of blocked threads without work") }) {
		t.Errorf("notes %q", all[1].Notes)
	}
	notes := strings.Join(all[0].Notes, "\n")
	for _, n := range []string{"3 samples are lost", "40 samples of an idle CPU", "8 samples of the sampler itself"} {
		if !strings.Contains(notes, n) {
			t.Errorf("notes lack %q:\n%s", n, notes)
		}
	}
}

// TestProfilesWithoutSymbols: a kernel that shows no symbols gives stacks all the same, and a note.
func TestProfilesWithoutSymbols(t *testing.T) {
	s, _ := sampled(t)
	s.OnCPU = []harness.StackSample{{Task: "wrk", User: []int{0}, Kernel: []int{0, 2}, Value: 1}}
	p := Profiles("C", "ns", s, Kernel{})[0]
	if want := []Stack{{"wrk;main.main;(kernel, no symbol)_[k]", 1000}}; !cmp.Equal(want, p.Stacks) {
		t.Errorf("stacks %v, want %v", p.Stacks, want)
	}
	if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, "no symbols") }) {
		t.Errorf("notes %q do not say that there are no symbols", p.Notes)
	}
}

// TestOnly: the symbols that name some addresses give the same names as all symbols.
func TestOnly(t *testing.T) {
	s, k := sampled(t)
	all, some := NewSpace(k, harness.Counted{Modules: s.Modules}), NewSpace(Kernel{k.Only(s.Addresses[:6]), k.Modules}, harness.Counted{Modules: s.Modules})
	for _, a := range s.Addresses[:6] {
		if all.Name(a) != some.Name(a) {
			t.Errorf("%#x is %s, with only some symbols %s", a, all.Name(a), some.Name(a))
		}
	}
	if n := len(k.Only(s.Addresses[:2])); n != 3 { // two, and the end of the text
		t.Errorf("%d symbols for two addresses", n)
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		p      Profile
		factor float64
		unit   string
	}{
		{Profile{Unit: "insn", Per: "pkt", Work: 4, Window: 1e9}, 0.25, "insn/pkt"},
		{Profile{Unit: "ns", Per: "pkt", Window: 5e8}, 2, "ns/s"},
		{Profile{Unit: "ns"}, 1, "ns"},
	} {
		if f, u := c.p.Scale(); f != c.factor || u != c.unit {
			t.Errorf("%+v: %v %s, want %v %s", c.p, f, u, c.factor, c.unit)
		}
	}
}

func TestSelf(t *testing.T) {
	p := Profile{Stacks: []Stack{{"a;f;g_[k]", 3}, {"b;g_[k]", 2}, {"a;f", 4}, {"a;x [bpf]", 1}}}
	want := []Function{{"g", 5}, {"f", 4}, {"x [bpf]", 1}}
	if diff := cmp.Diff(want, p.Self()); diff != "" || p.Total() != 10 {
		t.Errorf("total %v, self (-want +got):\n%s", p.Total(), diff)
	}
}
