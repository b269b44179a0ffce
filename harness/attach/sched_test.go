// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// schedulers are the objects of family sched.
func schedulers(t *testing.T) []string {
	t.Helper()
	names := slices.DeleteFunc(bpf.Names(), func(n string) bool { return !strings.HasPrefix(n, "sched/scx_") })
	if len(names) == 0 {
		t.Fatal("there is no scheduler")
	}
	return names
}

// TestEverySchedulerParses checks what every scheduler must have, its exit record's layout and its counters' names.
func TestEverySchedulerParses(t *testing.T) {
	for _, name := range schedulers(t) {
		ops, err := openSched(name)
		if err != nil {
			t.Fatal(err)
		}
		spec := ops.spec
		for _, m := range []string{"name", "flags", "timeout_ms", "exit_dump_len"} {
			if _, err := ops.field(m); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if v := spec.Variables[exitVariable]; v == nil {
			t.Errorf("%s does not keep why it ended: variable %s", name, exitVariable)
		}
		var s *btf.Struct
		if err := spec.Types.TypeByName(exitVariable, &s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		compareLayout(t, name, s, reflect.TypeFor[schedExit]())
		if v := spec.Variables["slice_us"]; v == nil || !v.Constant() {
			t.Errorf("%s has no knob slice_us", name)
		}
		if m := spec.Maps["stats"]; m != nil && len(schedStatNames(spec)) != int(m.MaxEntries) {
			t.Errorf("%s: %d counters have %d names: %q", name, m.MaxEntries, len(schedStatNames(spec)), schedStatNames(spec))
		}
		if spec.Programs["record_exit"] == nil || spec.Programs["record_exit"].AttachTo != "sched_ext_ops:exit" {
			t.Errorf("%s: its exit callback is not record_exit", name)
		}
	}
}

// kernelWith is a kernel's BTF that has these functions.
func kernelWith(t *testing.T, funcs ...*btf.Func) *btf.Spec {
	t.Helper()
	types := make([]btf.Type, len(funcs))
	for i, f := range funcs {
		types[i] = f
	}
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

// Types and functions as kernels have them.
var (
	tBool = &btf.Int{Name: "_Bool", Size: 1, Encoding: btf.Bool}
	tU32  = &btf.Int{Name: "unsigned int", Size: 4}
	tU64  = &btf.Typedef{Name: "u64", Type: &btf.Int{Name: "unsigned long long", Size: 8}}
	tTask = &btf.Pointer{Target: &btf.Struct{Name: "task_struct", Size: 8}}
	tAux  = &btf.Pointer{Target: &btf.Const{Type: &btf.Struct{Name: "bpf_prog_aux", Size: 8}}}
)

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
			"kfunc scx_bpf_dsq_insert: the kernel's build describes it wrongly"},
		{"wrong BTF of what may be missing", "sched/scx_vtime", []*btf.Func{vtime, move, create,
			kfuncOf("scx_bpf_task_set_dsq_vtime", tBool, tTask, tU64, tAux)}, vtime, ""},
		{"6.12", "sched/scx_fifo", []*btf.Func{kfuncOf("scx_bpf_dispatch", (*btf.Void)(nil), tTask, tU64, tU64, tU64)}, nil,
			"another sched_ext API generation: kfunc scx_bpf_dsq_insert missing"},
		{"only the flavour", "sched/scx_fifo", []*btf.Func{insert2}, nil, "kfunc scx_bpf_dsq_insert missing"},
		{"more arguments", "sched/scx_fifo", []*btf.Func{kfuncOf("scx_bpf_dsq_insert", tBool, tTask, tU64, tU64, tU64, tU64)}, nil,
			"kfunc scx_bpf_dsq_insert: it takes 5 arguments, not 4"},
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
			kernel := kernelWith(t, test.kernel...)
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
	ops, err := openSched("sched/scx_stall")
	if err != nil {
		t.Fatal(err)
	}
	rest, err := setSchedOps(ops, []harness.Knob{{Name: "fault", Value: 1}, {Name: "ops_timeout_ms", Value: 3000}, {Name: "ops_flags", Value: 2}})
	if err != nil || len(rest) != 1 || rest[0].Name != "fault" {
		t.Fatalf("rest %v, %v", rest, err)
	}
	if err := ops.setName("a.name"); err != nil {
		t.Fatal(err)
	}
	for member, want := range map[string]string{"name": "a.name", "timeout_ms": "\xb8\x0b", "flags": "\x02"} {
		b, err := ops.field(member)
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
	if err := ops.setName(strings.Repeat("x", 128)); err == nil {
		t.Error("a name that fills its room was taken")
	}
	if _, err := openSched("traffic/pass"); err == nil {
		t.Error("an object without ops was taken")
	}
	if got := schedName("scx-fifo+aa", 12, 3); got != "kxlab.scx_fifo_aa.12.3" {
		t.Errorf("name %s", got)
	}
}

func TestReadSchedState(t *testing.T) {
	dir := t.TempDir()
	if _, err := readSchedState(dir); !errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), "CONFIG_SCHED_CLASS_EXT") {
		t.Errorf("no sched_ext: %v", err)
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("state", "enabled\n")
	write("enable_seq", "7\n")
	write("root/ops", "kxlab.x.1.7\n")
	got, err := readSchedState(dir)
	if want := (schedState{"enabled", "kxlab.x.1.7", 7}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	write("enable_seq", "many\n")
	if _, err := readSchedState(dir); err == nil {
		t.Error("a word for a number was taken")
	}
	events := parseSchedEvents("SCX_EV_SELECT_CPU_FALLBACK 3\nSCX_EV_REFILL_SLICE_DFL 40\nother 1\nSCX_EV_BAD x\n\n")
	if diff := cmp.Diff(map[string]uint64{"ev_select_cpu_fallback": 3, "ev_refill_slice_dfl": 40}, events); diff != "" {
		t.Error(diff)
	}
}

// TestSchedulerHere puts schedulers in force on this machine, where nobody asked for it.
func TestSchedulerHere(t *testing.T) {
	ctx := context.Background()
	own, err := New(Options{}).Put(ctx, harness.Variant{Name: "eevdf", Attach: "eevdf"}, harness.Site{})
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := own.(harness.Scheduler); !ok || s.Name() != "" {
		t.Errorf("%T", own)
	} else if _, ended := s.Exit(); ended {
		t.Error("the kernel's own scheduler ended")
	}
	if err := own.InForce(); err != nil {
		t.Error(err)
	}
	if err := own.Close(); err != nil {
		t.Error(err)
	}
	_, err = New(Options{}).Put(ctx, harness.Variant{Name: "scx-fifo", Attach: "sched_ext", Object: "sched/scx_fifo"}, harness.Site{})
	if !errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), "--target exact or vm") {
		t.Errorf("%v; want a skip that names the targets", err)
	}
}

func TestSchedExitText(t *testing.T) {
	e := harness.SchedExit{Kind: "stall", Reason: "runnable task stall", Message: "cat[7] failed to run for 2.000s",
		Backtrace: []string{"check_rq+0x10"}, Dump: "CPU 0\n  R cat[7]\n"}
	want := "stall: runnable task stall: cat[7] failed to run for 2.000s\nbacktrace:\n  check_rq+0x10\ndump:\nCPU 0\n  R cat[7]\n"
	if diff := cmp.Diff(want, e.Text()); diff != "" {
		t.Error(diff)
	}
	if !e.Failed() || (harness.SchedExit{Kind: "unregistered"}).Failed() {
		t.Error("failed or not is mixed up")
	}
}
