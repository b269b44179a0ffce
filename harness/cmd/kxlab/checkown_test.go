// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/vm"
)

// TestFaultyPrograms: faults that show without a guest are said before one boots, by ab, run and list alike, with the program's name. In make
// soak each command says each fault; else two commands do, by turns.
func TestFaultyPrograms(t *testing.T) {
	reno, err := os.ReadFile("../../../bpf/cc/bpf_reno.bpf.c")
	if err != nil {
		t.Fatal(err)
	}
	ownFolder(t)
	const insert = "scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice_us * NSEC_PER_USEC, enq_flags);"
	for i, c := range []struct {
		what, old, new string
		said           string
		kernel         bool // the kernel's types tell
	}{
		{"no exit", "    .exit = (void *)record_exit,\n", "", ".exit = (void *)record_exit", false},
		{"no enqueue", "    .enqueue = (void *)mine_enqueue,\n", "", ".enqueue = (void *)mine_enqueue", false},
		{"two", "#include \"schedexit.bpf.h\"", "#include \"schedexit.bpf.h\"\nSEC(\".struct_ops.link\") struct sched_ext_ops more = { .name = \"more\" };",
			"more than one struct of operations (more, ops)", false},
		{"licence", `"GPL"`, `"Proprietary"`, `has the licence "Proprietary"`, false},
		{"queues nothing", insert, "", "queues no task at all", false},
		{"no body", insert, "int *z = 0; *z = 3;", "mine_enqueue has no body in the object", false},
		{"large map", "const volatile u32", "struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 400000000); __type(key, u32); __type(value, u64); } huge SEC(\".maps\");\nconst volatile u32",
			"map huge needs 3.0 GiB, the guest has 1 GiB: lower max_entries, or give the guest more in a definition: guest: {memorymb: 8192}", false},
		{"misspelt kfunc", insert, "scx_bpf_dsq_inserr(p);", "kfunc scx_bpf_dsq_inserr is not in this kernel", true},
	} {
		text := strings.Replace(ownFIFO, c.old, c.new, 1)
		if c.kernel {
			if k, err := vm.Find(""); k == nil {
				t.Log("the default kernel is not in the cache:", err)
				continue
			}
			text = strings.Replace(text, "void SCX_OP", "extern void scx_bpf_dsq_inserr(struct task_struct *p) __ksym;\nvoid SCX_OP", 1)
		}
		if err := os.WriteFile("mine.bpf.c", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		commands := []string{"ab eevdf mine.bpf.c", "run ./mine.yaml --profile smoke", "ab mine.bpf.c eevdf", "list ./mine.yaml"}
		if !labtest.Soak() {
			commands = commands[i%2*2:][:2]
		}
		refused(t, c.what, c.said, commands...)
	}
	for _, c := range []struct{ old, said string }{
		{"    .ssthresh = (void *)bpf_reno_ssthresh,\n", "must implement ssthresh"},
		{"    .cong_avoid = (void *)bpf_reno_cong_avoid,\n", "must implement cong_avoid or cong_control"},
		{"    .undo_cwnd = (void *)bpf_reno_undo_cwnd,\n", "must implement undo_cwnd"},
	} {
		text := strings.Replace(string(reno), c.old, "", 1)
		if !strings.Contains(text, "SEC") || len(text) >= len(reno) {
			t.Fatalf("%q is not in bpf_reno.bpf.c", c.old)
		}
		if err := os.WriteFile("mycc.bpf.c", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, c.said, "mycc.bpf.c: a congestion control "+c.said, "ab bpf-reno mycc.bpf.c")
	}
	if left, _ := filepath.Glob("results/*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestExpectationsChecked: what a fault's source says that becomes of it is read by list as by run, before anything runs.
func TestExpectationsChecked(t *testing.T) {
	ownFolder(t)
	source := func(expect string) string {
		return "// SPDX-License-Identifier: GPL-2.0\n#include \"safety.bpf.h\"\nSEC(\"xdp\")\n" + expect +
			"\nint fault(struct xdp_md *ctx)\n{\n\treturn 2;\n}\nchar _license[] SEC(\"license\") = \"GPL\";\n"
	}
	yaml := "name: own\nextends: safety\nkeep: [sound]\nvariants:\n  - {name: mine, class: memory, attach: fault, source: ./mine.bpf.c, about: own}\n"
	if err := os.WriteFile("own.yaml", []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ expect, said string }{
		{`EXPECT("root harmles")`, `did you mean "harmless"`},
		{`EXPECT("nonsense")`, "want BY[@SINCE] FATE[ VALUE][: WORDS]"},
		{`EXPECT("root@99 harmless")`, "want a version"},
		{"", "no expectation is recorded"},
		{`EXPECT("bpf harmless")`, "no expectation is recorded"},
		{`EXPECT("root harmless") EXPECT("root refused: x")`, "contradict each other"},
	} {
		if err := os.WriteFile("mine.bpf.c", []byte(source(c.expect)), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, c.expect, c.said, "list ./own.yaml", "run ./own.yaml --profile smoke")
	}
	if err := os.WriteFile("mine.bpf.c", []byte(source(`EXPECT("root harmless 2")`)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := try(t, "list", "./own.yaml"); code != 0 || !strings.Contains(out, "mine") {
		t.Errorf("a sound fault: exit code %d, %s", code, errs)
	}
}

// refused fails unless each command says so, exits with 1 and measures nothing.
func refused(t *testing.T, what, said string, commands ...string) {
	t.Helper()
	for _, args := range commands {
		code, out, errs := try(t, strings.Fields(args)...)
		if code != codeFailed || !strings.Contains(errs, said) || strings.Contains(errs, "cells") || out != "" {
			t.Errorf("%s: kxlab %s: exit code %d, %q; want %d, %q", what, args, code, errs, codeFailed, said)
		}
	}
}
