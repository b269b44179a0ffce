// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// Types and functions as kernels have them.
var (
	tBool = &btf.Int{Name: "_Bool", Size: 1, Encoding: btf.Bool}
	tU32  = &btf.Int{Name: "unsigned int", Size: 4}
	tU64  = &btf.Typedef{Name: "u64", Type: &btf.Int{Name: "unsigned long long", Size: 8}}
	tTask = &btf.Pointer{Target: &btf.Struct{Name: "task_struct", Size: 8}}
	tAux  = &btf.Pointer{Target: &btf.Const{Type: &btf.Struct{Name: "bpf_prog_aux", Size: 8}}}
)

// kernelWith is a kernel's BTF that has these functions.
func kernelWith(t *testing.T, funcs ...*btf.Func) *btf.Spec {
	t.Helper()
	types := make([]btf.Type, len(funcs))
	for i, f := range funcs {
		types[i] = f
	}
	return kernelOf(t, types...)
}

// kernelOf is a kernel's BTF that has these types.
func kernelOf(t *testing.T, types ...btf.Type) *btf.Spec {
	t.Helper()
	b, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "btf")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpec(path)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func kfuncOf(name string, ret btf.Type, params ...btf.Type) *btf.Func {
	proto := &btf.FuncProto{Return: ret}
	for _, p := range params {
		proto.Params = append(proto.Params, btf.FuncParam{Name: "a", Type: p})
	}
	return &btf.Func{Name: name, Type: proto, Linkage: btf.StaticFunc}
}

// TestResolveKfuncs resolves the kfuncs of scx_fifo and scx_vtime for kernels of several generations.
func TestResolveKfuncs(t *testing.T) {
	insert := kfuncOf("scx_bpf_dsq_insert", (*btf.Void)(nil), tTask, tU64, tU64, tU64)
	insert2 := kfuncOf("scx_bpf_dsq_insert___v2", tBool, tTask, tU64, tU64, tU64)
	move := kfuncOf("scx_bpf_dsq_move_to_local", tBool, tU64)
	move2 := kfuncOf("scx_bpf_dsq_move_to_local___v2", tBool, tU64, tU64)
	create := kfuncOf("scx_bpf_create_dsq", tU32, tU64, tU32)
	vtime := kfuncOf("scx_bpf_dsq_insert_vtime", (*btf.Void)(nil), tTask, tU64, tU64, tU64, tU64)
	args := &btf.Pointer{Target: &btf.Struct{Name: "scx_bpf_dsq_insert_vtime_args", Size: 8}}
	vtimeArgs := kfuncOf("__scx_bpf_dsq_insert_vtime", tBool, tTask, args)
	iter := &btf.Pointer{Target: &btf.Struct{Name: "bpf_iter_scx_dsq", Size: 8}}
	others := []*btf.Func{ // which every kernel with sched_ext has
		kfuncOf("bpf_iter_scx_dsq_new", tU32, iter, tU64, tU64), kfuncOf("bpf_iter_scx_dsq_next", tTask, iter),
		kfuncOf("bpf_iter_scx_dsq_destroy", (*btf.Void)(nil), iter), kfuncOf("scx_bpf_dsq_move", tBool, iter, tTask, tU64, tU64),
		kfuncOf("scx_bpf_task_cpu", tU32, tTask), kfuncOf("scx_bpf_nr_cpu_ids", tU32), kfuncOf("scx_bpf_dsq_nr_queued", tU32, tU64),
		kfuncOf("bpf_cpumask_test_cpu", tBool, tU32, &btf.Pointer{Target: &btf.Struct{Name: "cpumask", Size: 8}}),
	}
	for _, test := range []struct {
		what, object string
		kernel       []*btf.Func
		call         *btf.Func // that must be called
		want         string    // the error
	}{
		{"6.13", "sched/scx_fifo", []*btf.Func{insert}, insert, ""},
		{"7.2, both generations", "sched/scx_fifo", []*btf.Func{insert2, insert}, insert, ""},
		{"other order", "sched/scx_fifo", []*btf.Func{insert, insert2}, insert, ""},
		{"the second form under the first name", "sched/scx_fifo",
			[]*btf.Func{kfuncOf("scx_bpf_dsq_insert", tBool, tTask, tU64, tU64, tU64)}, nil, ""},
		{"wrong BTF, as 7.1.13", "sched/scx_fifo", []*btf.Func{kfuncOf("scx_bpf_dsq_insert", tBool, tTask, tU64, tU64, tU64, tAux)}, nil,
			"the kernel's build describes it wrongly"},
		{"wrong BTF of what may be missing", "sched/scx_vtime", []*btf.Func{vtime, move, create,
			kfuncOf("scx_bpf_task_set_dsq_vtime", tBool, tTask, tU64, tAux)}, vtime, ""},
		{"6.12", "sched/scx_fifo", []*btf.Func{kfuncOf("scx_bpf_dispatch", (*btf.Void)(nil), tTask, tU64, tU64, tU64)}, nil,
			"another API generation: kfunc scx_bpf_dsq_insert is not in this kernel"},
		{"only the flavour", "sched/scx_fifo", []*btf.Func{insert2}, nil, "kfunc scx_bpf_dsq_insert is not in this kernel"},
		{"more arguments", "sched/scx_fifo", []*btf.Func{kfuncOf("scx_bpf_dsq_insert", tBool, tTask, tU64, tU64, tU64, tU64)}, nil,
			"it takes 5 arguments, not 4"},
		{"other arguments", "sched/scx_fifo", []*btf.Func{kfuncOf("scx_bpf_dsq_insert", tBool, tTask, tU64, tU64, tTask)}, nil,
			"argument a is pointer to task_struct, not integer of 8 bytes"},
		{"6.18", "sched/scx_vtime", []*btf.Func{vtime, move, create}, vtime, ""},
		{"7.2", "sched/scx_vtime", []*btf.Func{vtime, vtimeArgs, move, move2, create}, vtimeArgs, ""},
		{"the old form is gone", "sched/scx_vtime",
			[]*btf.Func{vtimeArgs, kfuncOf("scx_bpf_dsq_move_to_local", tBool, tU64, tU64), create}, vtimeArgs, ""},
		{"a result is missing", "sched/scx_vtime",
			[]*btf.Func{vtimeArgs, move, kfuncOf("scx_bpf_create_dsq", (*btf.Void)(nil), tU64, tU32)}, nil, "it returns void"},
	} {
		t.Run(test.what, func(t *testing.T) {
			spec, err := bpf.Open(test.object)
			if err != nil {
				t.Fatal(err)
			}
			kernel := kernelWith(t, append(others, test.kernel...)...)
			err = resolveKfuncs(spec, kernel)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || !errors.Is(err, harness.ErrNotSupported) {
					t.Fatalf("%v; want a skip with %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			called := map[string]bool{}
			for _, p := range spec.Programs {
				for _, ins := range p.Instructions {
					if !ins.IsKfuncCall() || ins.Constant == 0 {
						continue
					}
					typ, err := kernel.TypeByID(btf.TypeID(ins.Constant))
					if err != nil {
						t.Fatal(err)
					}
					called[typ.TypeName()] = true
				}
			}
			if test.call != nil && !called[test.call.Name] {
				t.Errorf("it calls %v, not %s", called, test.call.Name)
			}
			for name := range called {
				if strings.Contains(name, "___") {
					t.Errorf("it calls %s", name)
				}
			}
		})
	}
}

// TestResolveKfuncsKeeps checks that what surrounds a call is left alone.
func TestResolveKfuncsKeeps(t *testing.T) {
	spec, err := bpf.Open("sched/scx_fifo")
	if err != nil {
		t.Fatal(err)
	}
	var before []asm.OpCode
	for _, ins := range spec.Programs["fifo_enqueue"].Instructions {
		before = append(before, ins.OpCode)
	}
	kernel := kernelWith(t, kfuncOf("scx_bpf_dsq_insert", (*btf.Void)(nil), tTask, tU64, tU64, tU64))
	if err := resolveKfuncs(spec, kernel); err != nil {
		t.Fatal(err)
	}
	var after []asm.OpCode
	for _, ins := range spec.Programs["fifo_enqueue"].Instructions {
		after = append(after, ins.OpCode)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}

func TestSchedOps(t *testing.T) {
	ops, err := OpenSched("sched/scx_stall")
	if err != nil {
		t.Fatal(err)
	}
	rest, err := setSchedOps(ops, []harness.Knob{{Name: "fault", Value: 1}, {Name: "ops_timeout_ms", Value: 3000}, {Name: "ops_flags", Value: 2}})
	if err != nil || len(rest) != 1 || rest[0].Name != "fault" {
		t.Fatalf("rest %v, %v", rest, err)
	}
	if err := ops.SetName("a.name"); err != nil {
		t.Fatal(err)
	}
	for member, want := range map[string]string{"name": "a.name", "timeout_ms": "\xb8\x0b", "flags": "\x02"} {
		b, err := ops.Field(member)
		if err != nil || strings.TrimRight(string(b), "\x00") != want {
			t.Errorf("%s is %q, %v; want %q", member, b, err, want)
		}
	}
	for _, k := range [][]harness.Knob{
		{{Name: "ops_timeout_ms", Value: 1 << 32}},
		{{Name: "ops_flags", Value: 1}, {Name: "ops_flags", Value: 1}},
	} {
		if _, err := setSchedOps(ops, k); err == nil {
			t.Errorf("knobs %v were taken", k)
		}
	}
	if err := ops.SetName(strings.Repeat("x", 128)); err == nil {
		t.Error("a name that fills its room was taken")
	}
	if _, err := OpenSched("traffic/pass"); err == nil {
		t.Error("an object without ops was taken")
	}
	if got := SchedName("scx-fifo+aa", 12, 3); got != "kxlab.scx_fifo_aa.12.3" {
		t.Errorf("name %s", got)
	}
}

// TestLastResort: the kfunc that the last branch of tests calls may be missing, and no other.
func TestLastResort(t *testing.T) {
	r := &kfuncs{optional: map[string]bool{"scx_bpf_dsq_move_to_local___v1": true}}
	none := &kfuncs{optional: map[string]bool{}}
	for _, c := range []struct {
		r    *kfuncs
		name string
		want bool
	}{{r, "scx_bpf_consume___old", true}, {r, "scx_bpf_consume", false}, {none, "scx_bpf_consume___old", false}} {
		if got := c.r.lastResort(c.name); got != c.want {
			t.Errorf("%s, with %d tests: %v", c.name, len(c.r.optional), got)
		}
	}
}
