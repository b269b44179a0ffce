// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness/labtest"
)

// unbind makes a program a member of nothing, as if the struct did not name it.
func unbind(program string) func(*ebpf.CollectionSpec) {
	return func(s *ebpf.CollectionSpec) { s.Programs[program].AttachTo = "" }
}

// license gives all programs of an object a licence.
func license(text string) func(*ebpf.CollectionSpec) {
	return func(s *ebpf.CollectionSpec) {
		for _, p := range s.Programs {
			p.License = text
		}
	}
}

// TestCheck: what shows without a kernel is said with what to do, and no shipped object is refused.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name, object string
		spoil        func(*ebpf.CollectionSpec)
		want, never  string
	}{
		{"no exit", "sched/scx_fifo", unbind("record_exit"), "program record_exit is no member of ops: add it there: .exit = (void *)record_exit", ".init"},
		{"no enqueue", "sched/scx_fifo", unbind("fifo_enqueue"), ".enqueue = (void *)fifo_enqueue", ".init"},
		{"no init", "sched/scx_vtime", unbind("vtime_init"), ".init = (void *)vtime_init", ""},
		{"of no operation's name", "sched/scx_fifo", func(s *ebpf.CollectionSpec) {
			s.Programs["mine"] = &ebpf.ProgramSpec{Name: "mine", SectionName: "struct_ops/mine", License: "GPL"}
		}, "program mine is no member of ops: add it there", "void *"},
		{"of an operation that has a program", "sched/scx_fifo", func(s *ebpf.CollectionSpec) {
			s.Programs["my_exit"] = &ebpf.ProgramSpec{Name: "my_exit", SectionName: "struct_ops/my_exit", License: "GPL"}
		}, "program my_exit is no member of ops", "void *"},
		{"a control's", "cc/bpf_reno", unbind("bpf_reno_undo_cwnd"), "must implement undo_cwnd", ""},
		{"a control's more", "cc/bpf_reno", func(s *ebpf.CollectionSpec) {
			s.Programs["my_init"] = &ebpf.ProgramSpec{Name: "my_init", SectionName: "struct_ops", License: "GPL"}
		}, "program my_init is no member of bpf_reno: add it there: .init = (void *)my_init", ""},
		{"licence", "sched/scx_fifo", license("Proprietary"), `has the licence "Proprietary"`, ""},
		{"licence of kfuncs", "sched/scx_fifo", func(s *ebpf.CollectionSpec) {
			license("MIT")(s)
			delete(s.Maps, "ops")
		}, `program fifo_enqueue has the licence "MIT" and calls scx_bpf_dsq_insert`, ""},
		{"two", "sched/scx_fifo", func(s *ebpf.CollectionSpec) {
			s.Maps["ops2"] = s.Maps["ops"].Copy()
			s.Maps["ops2"].Name = "ops2"
		}, "more than one struct of operations (ops, ops2)", ""},
		{"queues nothing", "sched/scx_fifo", func(s *ebpf.CollectionSpec) {
			s.Programs["fifo_enqueue"].Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
		}, "queues no task at all: fifo_enqueue is .enqueue", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec, err := bpf.Open(tt.object)
			if err != nil {
				t.Fatal(err)
			}
			tt.spoil(spec)
			err = Check("./mine.bpf.c", spec)
			if err == nil || !strings.Contains(err.Error(), "./mine.bpf.c: ") || !strings.Contains(err.Error(), tt.want) ||
				tt.never != "" && strings.Contains(err.Error(), tt.never) {
				t.Errorf("%v; want %q in it and no %q", err, tt.want, tt.never)
			}
		})
	}
	for _, name := range bpf.Names() {
		spec, err := bpf.Open(name)
		if err == nil {
			err = Check(name, spec)
		}
		if err != nil {
			t.Error(err)
		}
	}
	spec, err := labtest.Object("misspelt_scx") // it queues tasks, by a kfunc that no kernel has
	if err == nil {
		err = Check("misspelt_scx", spec)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestCheckKernel: a kfunc that no kernel has is a fault of the program, one that another kernel has is not.
func TestCheckKernel(t *testing.T) {
	insert := kfuncOf("scx_bpf_dsq_insert", (*btf.Void)(nil), tTask, tU64, tU64, tU64)
	like := func(object string) *btf.Struct {
		spec, err := bpf.Open(object)
		if err != nil {
			spec, err = labtest.Object(object)
		}
		if err != nil {
			t.Fatal(err)
		}
		o, err := findOps(object, spec, opsKind(spec))
		if err != nil {
			t.Fatal(err)
		}
		return o.Typ
	}
	inA := func(module string) func(string) bool { return func(name string) bool { return name == module } }
	for _, tt := range []struct {
		name, object string
		kernel       []btf.Type
		in           func(string) bool
		want         string
	}{
		{"whole", "sched/scx_fifo", []btf.Type{like("sched/scx_fifo"), insert}, nil, ""},
		{"another generation", "sched/scx_fifo", []btf.Type{like("sched/scx_fifo")}, nil, ""},
		{"another kernel", "sched/scx_fifo", []btf.Type{insert}, nil, ""},
		{"misspelt", "misspelt_scx", []btf.Type{like("misspelt_scx"), insert}, nil, "kfunc scx_bpf_dsq_inserr is not in this kernel"},
		{"misspelt control", "misspelt_cc", []btf.Type{like("misspelt_cc")}, nil, "kfunc tcp_reno_undo_cwmd is not in this kernel"},
		{"in a module", "misspelt_cc", []btf.Type{like("misspelt_cc")}, inA("tcp_reno_undo_cwmd"), ""},
		{"in another module", "misspelt_cc", []btf.Type{like("misspelt_cc")}, inA("tcp_reno"), "did you mean tcp_reno_undo_cwnd?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec, err := bpf.Open(tt.object)
			if err != nil {
				spec, err = labtest.Object(tt.object)
			}
			if err != nil {
				t.Fatal(err)
			}
			err = CheckKernel("./mine.bpf.c", spec, kernelOf(t, tt.kernel...), tt.in)
			if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "./mine.bpf.c")) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
}
