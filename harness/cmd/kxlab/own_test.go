// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// ownFIFO is a scheduler of a user's.
const ownFIFO = `#include "scx.bpf.h"
#include "schedexit.bpf.h"

char _license[] SEC("license") = "GPL";

const volatile u32 slice_us = 4000;

void SCX_OP(mine_enqueue, struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, slice_us * NSEC_PER_USEC, enq_flags);
}

SEC(".struct_ops.link")
struct sched_ext_ops ops = {
    .enqueue = (void *)mine_enqueue,
    .exit = (void *)record_exit,
    .name = "mine",
};
`

const ownYAML = `name: mine
extends: sched
keep: [eevdf, scx-fifo]
variants:
  - name: mine
    like: scx-fifo
    source: ./mine.bpf.c
    about: an own scheduler
`

// ownFolder is a folder with a definition and its source, in which the test goes on.
func ownFolder(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip(err)
	}
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"mine.bpf.c": ownFIFO, "mine.yaml": ownYAML, "bad.bpf.c": "int x = ;\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := bpf.Bytes("lb/xdp_dsr")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("xdp_dsr.bpf.o", raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDefinitionMistakes: each mistake in a definition is said with its file, line, column and, where a word is wrong, the nearest one.
func TestDefinitionMistakes(t *testing.T) {
	ownFolder(t)
	for _, c := range []struct {
		what, old, new string
		code           int
		said           string
	}{
		{"unknown key", "about: an", "abuot: an", codeUsage, `./bad.yaml:8:5: unknown key "abuot", did you mean "about"?`},
		{"unknown variant", "scx-fifo]", "scx-fivo]", codeUsage, `./bad.yaml:3:15: keep: unknown variant "scx-fivo", did you mean "scx-fifo"?`},
		{"unknown workload", "variants:", "scores: [{name: s, about: a, workload: pip, unit: sec/op, variant: mine, most: 1}]\nvariants:", codeUsage,
			`./bad.yaml:4:40: score s: unknown workload "pip", did you mean "pipe"?`},
		{"unknown axis", "variants:", "plots: [{name: p, workload: pipe, unit: sec/op, where: [{name: plase, value: same}]}]\nvariants:", codeUsage,
			`./bad.yaml:4:64: plot p: where: unknown axis "plase", did you mean "place"?`},
		{"unknown metric", "variants:", "plots: [{name: p, workload: pipe, unit: sec/pp}]\nvariants:", codeUsage, `./bad.yaml:4:41: plot p: unknown unit "sec/pp", did you mean "sec/op"?`},
		{"wrong type", "variants:", "guest: {cpus: two}\nvariants:", codeUsage, `./bad.yaml:4:15: cpus: want a whole number, not "two"`},
		{"name twice", "name: mine\n    like", "name: mine\n    like: eevdf\n  - name: mine\n    like", codeUsage, `./bad.yaml:7:11: variant "mine" is given twice`},
		{"missing field", "    like: scx-fifo\n", "", codeUsage, "./bad.yaml:5:5: variant mine: no class: give one, or be like another variant"},
		{"missing source", "./mine.bpf.c", "./mien.bpf.c", codeFailed, `./bad.yaml:7:13: variant mine: source: open ./mien.bpf.c: there is no such file, did you mean "./mine.bpf.c"?`},
		{"missing object", "source: ./mine.bpf.c", "object: sched/scx_fif", codeUsage, `./bad.yaml:7:13: variant mine: object: unknown BPF object "sched/scx_fif", did you mean "sched/scx_fifo"?`},
		{"does not compile", "./mine.bpf.c", "./bad.bpf.c", codeFailed, "bad.bpf.c:1:9: error: expected expression"},
		{"of another kind", "source: ./mine.bpf.c", "object: ./xdp_dsr.bpf.o", codeUsage,
			"./bad.yaml:7:13: variant mine: object: it is a program of type XDP, and attach: sched_ext puts a scheduler in force"},
		{"of none", "like: scx-fifo", "like: eevdf", codeUsage, "./bad.yaml:7:13: variant mine: source: attach: eevdf puts no BPF object in force"},
		{"unknown base", "extends: sched", "extends: shed", codeUsage, `./bad.yaml:2:10: extends: unknown experiment "shed", did you mean "sched"?`},
		{"circle", "extends: sched", "extends: ./bad.yaml", codeUsage, "./bad.yaml:2:10: extends: in a circle: "},
		{"unknown knob", "about: an", "knobs: [{name: slice_ms, value: 4}]\n    about: an", codeUsage,
			`./bad.yaml:8:20: variant mine: unknown knob of ./mine.bpf.c "slice_ms", did you mean "slice_us"?`},
		{"key twice", "    about: an", "    like: eevdf\n    about: an", codeUsage, `./bad.yaml:8:5: key "like" is given twice, before on line 6`},
		{"tab", "    about: an", "\tabout: an", codeUsage, "./bad.yaml:8:1: read YAML: a tab in the indentation: indent with spaces"},
		{"list without an end", "[eevdf, scx-fifo]", "[eevdf, scx-fifo", codeUsage, "./bad.yaml:3:1: read YAML: did not find expected ',' or ']'"},
		{"two colons", "about: an", "about: it: an", codeUsage, "./bad.yaml:8:5: read YAML: mapping values are not allowed in this context"},
		{"indentation", "    about: an", "   about: an", codeUsage, "./bad.yaml:8:4: read YAML: did not find expected"},
		{"first line", "name: mine\nextends", "name: [\nextends", codeUsage, "./bad.yaml:1:1: read YAML: did not find expected"},
		{"empty", ownYAML, "", codeUsage, "./bad.yaml:1:1: nothing is defined here: kxlab init writes a definition to start from"},
		{"comments alone", ownYAML, "# name: mine\n", codeUsage, "./bad.yaml:1:1: nothing is defined here"},
		{"bad unit", "variants:", "workloads: [{name: pipe, metrics: [{unit: msec/op, better: lower}]}]\nvariants:", codeUsage,
			`./bad.yaml:4:43: workload pipe: unit msec/op: unknown base unit "msec", did you mean "sec"?`},
		{"another family's method", "like: scx-fifo", "class: general\n    attach: xdp", codeUsage,
			"./bad.yaml:7:13: variant mine: attach: xdp belongs to family lb; this is family sched, which has "},
		{"unknown profile", "", "", codeUsage, `unknown profile "smok", did you mean "smoke"?`},
	} {
		if err := os.WriteFile("bad.yaml", []byte(strings.Replace(ownYAML, c.old, c.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"list", "./bad.yaml"}
		if c.what == "unknown profile" {
			args = []string{"run", "./bad.yaml", "--profile", "smok"}
		}
		code, out, said := try(t, args...)
		if code != c.code || !strings.Contains(said, c.said) || out != "" {
			t.Errorf("%s: exit code %d, %q; want %d, %q", c.what, code, said, c.code, c.said)
		}
		t.Logf("%s: %s", c.what, said)
	}
}

// TestListYAML: a definition as resolved is a definition, and resolved it is the same.
func TestListYAML(t *testing.T) {
	ownFolder(t)
	code, out, said := try(t, "list", "./mine.yaml", "--yaml")
	if code != codeDone || !strings.Contains(out, "source: ./mine.bpf.c") || strings.Contains(out, "extends") {
		t.Fatalf("exit code %d: %s%s", code, said, out)
	}
	if err := os.WriteFile("again.yaml", []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	code, again, said := try(t, "list", "./again.yaml", "--yaml")
	if code != codeDone || again != out {
		t.Errorf("exit code %d: %s; not the same:\n%s", code, said, again)
	}
	if code, _, said := try(t, "list", "--yaml"); code != codeUsage || !strings.Contains(said, "one definition") {
		t.Errorf("all experiments as YAML: exit code %d, %s", code, said)
	}
}

// TestWith: the programs of a folder are variants of the experiment that they belong to; the others are left out and named.
func TestWith(t *testing.T) {
	ownFolder(t)
	if code, _, said := try(t, "list", "sched", "--with", "."); code != codeFailed || !strings.Contains(said, "expected expression") {
		t.Errorf("one that does not compile: exit code %d: %s", code, said)
	}
	if err := os.Remove("bad.bpf.c"); err != nil {
		t.Fatal(err)
	}
	code, out, said := try(t, "list", "sched", "--with", ".", "--yaml")
	if code != codeDone || !strings.Contains(out, "name: mine\n    class: general\n    attach: sched_ext\n    source: mine.bpf.c\n") {
		t.Errorf("exit code %d: %s%s", code, said, out)
	}
	if !strings.Contains(said, "xdp_dsr.bpf.o: left out: it belongs to lb") {
		t.Errorf("said %q", said)
	}
	for args, want := range map[string]string{
		"list cc --with .":                               "--with .: none of its programs belongs to cc",
		"list cc --with none":                            "--with: list programs: none: no such folder",
		"ab eevdf mien --with .":                         `unknown variant "mien"`,
		"ab eevdf mine --with . --workload pipp":         `unknown workload "pipp"`,
		"run sched --with . --variants mien":             `unknown variant "mien", did you mean "mine"?`,
		"run sched --with . --variants mine --axis none": "want NAME=VALUE",
	} {
		wantCode := codeUsage
		if args == "list cc --with none" { // a folder that is missing is no wrong word
			wantCode = codeFailed
		}
		if code, _, said := try(t, strings.Fields(args)...); code != wantCode || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d, %q, want %d, %q", args, code, said, wantCode, want)
		}
	}
}

// TestOwnInGuest: a short definition is measured, and guests get its source's object.
func TestOwnInGuest(t *testing.T) {
	if err := haveGuests(t.Context()); err != nil || testing.Short() {
		t.Skip("boots guests:", err)
	}
	ownFolder(t)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text := "name: own\nextends: objects\nkeep: [pass]\nvariants: [{name: mine, like: pass, source: ./mine.bpf.c}]\n"
	if err := os.WriteFile("own.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, errs := command(t, dir, "run", "./own.yaml", "--profile", "smoke", "--repeat", "1", "--out", "r")
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	r, err := record.Open(filepath.Join(dir, "r"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Env.Objects["./mine.bpf.c"] == "" || r.Env.Objects["traffic/pass"] == "" {
		t.Errorf("objects %v", r.Env.Objects)
	}
	for _, o := range r.Env.Outcomes {
		if o.Outcome != harness.OutcomeMeasured {
			t.Errorf("%+v", o)
		}
	}
}

// TestShippedKnobs: the shipped objects have the knobs that the definitions set, and suit their methods.
func TestShippedKnobs(t *testing.T) {
	words := withObjects(t.Context(), vocabulary(), "")
	for _, name := range experiments.Names() {
		e, err := open(name, words)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range e.Variants {
			if v.Object == "" {
				continue
			}
			known, err := words.Object(v)
			if err != nil {
				t.Errorf("%s: %s: %v", name, v.Name, err)
			}
			for _, k := range v.Knobs {
				if err := harness.Known("knob", k.Name, known); err != nil {
					t.Errorf("%s: %s: %v", name, v.Name, err)
				}
			}
		}
	}
}
