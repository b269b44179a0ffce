// SPDX-License-Identifier: Apache-2.0

package experiments_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
)

const eightLines = `
name: mine
extends: sched
keep: [eevdf, scx-fifo]
variants:
  - {name: mine, like: scx-fifo, source: ./mine.bpf.c}
`

// writeFile writes a definition and returns its path.
func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustOpen(t *testing.T, name string) harness.Experiment {
	t.Helper()
	e, err := experiments.Open(name, experiments.Vocabulary{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestExtends: a short definition has all that it does not give; what is said of variants that are not kept is left out.
func TestExtends(t *testing.T) {
	dir := t.TempDir()
	e, sched := mustOpen(t, writeFile(t, dir, "mine.yaml", eightLines)), mustOpen(t, "sched")
	if got := e.VariantNames(); !slices.Equal(got, []string{"eevdf", "scx-fifo", "mine"}) {
		t.Errorf("variants %q", got)
	}
	want := harness.Variant{Name: "mine", Class: "general", Attach: "sched_ext", Source: filepath.Join(dir, "mine.bpf.c"), About: "in the place of scx-fifo"}
	if diff := cmp.Diff(want, e.Variants[2]); diff != "" {
		t.Error(diff)
	}
	if e.Name != "mine" || e.Family != "sched" || e.AA != "eevdf" || e.Baseline != "eevdf" || e.Extends != "" || e.Keep != nil {
		t.Errorf("name %q, family %q, aa %q, extends %q, keep %q", e.Name, e.Family, e.AA, e.Extends, e.Keep)
	}
	if diff := cmp.Diff(sched.Workloads, e.Workloads) + cmp.Diff(sched.Guest, e.Guest) + cmp.Diff(sched.Title, e.Title); diff != "" {
		t.Error(diff)
	}
	changes, _ := harness.Find(e.Profiles[1].Workloads, func(w harness.ProfileWorkload) bool { return w.Name == "switch" })
	if !slices.Equal(changes.Only, []string{"scx-fifo", "mine"}) { // in sched: scx-fifo and scx-learned
		t.Errorf("workload switch of profile quick is for %q", changes.Only)
	}
	without := mustOpen(t, writeFile(t, dir, "all.yaml", "name: all\nextends: sched\naa: scx-fifo\n"))
	if diff := cmp.Diff(sched.Variants, without.Variants); diff != "" || without.AA != "scx-fifo" {
		t.Errorf("without keep: aa %s, %s", without.AA, diff)
	}
}

// TestExtendsFile: a path is relative to the definition that has it, and so are objects.
func TestExtendsFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeFile(t, dir, "sub/base.yaml", strings.Replace(eightLines, "source: ./mine.bpf.c", "object: ../o/mine.bpf.o, knobs: [{name: k, value: 1}, {name: l, value: 2}]", 1))
	writeFile(t, dir, "top.yaml", `
name: top
extends: sub/base.yaml
guest: {cpus: 4}
keep: [mine]
variants:
  - {name: also, like: mine, knobs: [{name: l, value: 3}], about: another}
`)
	e := mustOpen(t, "./top.yaml")
	want := []harness.Variant{
		{Name: "mine", Class: "general", Attach: "sched_ext", Object: "./o/mine.bpf.o", Knobs: []harness.Knob{{Name: "k", Value: 1}, {Name: "l", Value: 2}}, About: "in the place of scx-fifo"},
		{Name: "also", Class: "general", Attach: "sched_ext", Object: "./o/mine.bpf.o", Knobs: []harness.Knob{{Name: "l", Value: 3}, {Name: "k", Value: 1}}, About: "another"},
	}
	if diff := cmp.Diff(want, e.Variants); diff != "" {
		t.Error(diff)
	}
	if e.Guest.CPUs != 4 || e.Guest.MemoryMB != 1024 || len(e.Guest.Tools) == 0 {
		t.Errorf("guest %+v", e.Guest)
	}
	if e.AA != "mine" || e.Baseline != "mine" {
		t.Errorf("aa is %q, baseline %q, and eevdf is not there", e.AA, e.Baseline)
	}
}

// TestExtendsAll: every shipped definition may be extended with one variant of its own kept.
func TestExtendsAll(t *testing.T) {
	dir := t.TempDir()
	for _, name := range experiments.Names() {
		for _, v := range mustOpen(t, name).Variants {
			text := "name: one\nextends: " + name + "\nkeep: [" + v.Name + "]\nvariants: [{name: own, like: " + v.Name + "}]\n"
			e, err := experiments.Open(writeFile(t, dir, "one.yaml", text), experiments.Vocabulary{})
			if err != nil {
				t.Errorf("%s of %s: %v", v.Name, name, err)
			} else if len(e.Variants) != 2 || len(e.Profiles) == 0 {
				t.Errorf("%s of %s: %d variants, %d profiles", v.Name, name, len(e.Variants), len(e.Profiles))
			}
			for _, w := range e.Workloads {
				if slices.ContainsFunc(w.Classes, func(c string) bool { return c != v.Class }) {
					t.Errorf("%s of %s: workload %s is for the classes %q", v.Name, name, w.Name, w.Classes)
				}
			}
		}
	}
}

// TestExtendsRefuses: errors of extends, keep and like name their places, also those in the definition that is extended.
func TestExtendsRefuses(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeFile(t, dir, "circle.yaml", "name: a\nextends: ./circle2.yaml\n")
	writeFile(t, dir, "circle2.yaml", "name: b\nextends: ./circle.yaml\n")
	writeFile(t, dir, "broken.yaml", "name: b\nextends: sched\nplots:\n  - {name: p, colour: red}\n")
	for _, tt := range []struct{ old, new, want string }{
		{"extends: sched", "extends: shed", `mine.yaml:3:10: extends: unknown experiment "shed", did you mean "sched"?`},
		{"extends: sched", "extends: ./none.yaml", "mine.yaml:3:10: extends: ./none.yaml: no such file"},
		{"extends: sched", "extends: ./circle.yaml", "circle2.yaml:2:10: extends: in a circle: "},
		{"extends: sched", "extends: ./broken.yaml", `./broken.yaml:4:15: unknown key "colour"`},
		{"extends: sched\n", "", "mine.yaml:3:7: keep: it names variants of the definition that extends names"},
		{"name: mine\n", "", "mine.yaml:2:1: experiment without a name"},
		{"[eevdf, scx-fifo]", "[eevdf, scx-fifi]", `mine.yaml:4:15: keep: unknown variant "scx-fifi", did you mean "scx-fifo"?`},
		{"[eevdf, scx-fifo]", "[eevdf, eevdf]", `mine.yaml:4:15: keep: variant "eevdf" is given twice`},
		{"like: scx-fifo", "like: scx-fifa", `mine.yaml:6:24: variant mine: like: unknown variant "scx-fifa", did you mean "scx-fifo"?`},
		{"like: scx-fifo, source", "like: b, source", `like: unknown variant "b"`},
		{"variants:\n", "variants:\n  - {name: a, like: mine}\n  - {name: a2, like: a}\n", ""},
		{"like: scx-fifo, source: ./mine.bpf.c}", "like: a}\n  - {name: a, like: mine}", "mine.yaml:6:24: variant mine: like: in a circle: mine is like a is like mine"},
		{"source: ./mine.bpf.c", "source: ./mine.bpf.c, object: sched/scx_fifo", "mine.yaml:6:42: variant mine: source: it has an object, too"},
		{"name: mine,", "name: [mine],", "mine.yaml:6:12: name: want a word, not a list"},
	} {
		text := strings.Replace(eightLines, tt.old, tt.new, 1)
		if text == eightLines {
			t.Fatalf("%q is not in the definition", tt.old)
		}
		_, err := experiments.Open(writeFile(t, ".", "mine.yaml", text), experiments.Vocabulary{})
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.new, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.new, err, tt.want)
		}
	}
}

// TestObjects: the vocabulary is asked about the user's own objects alone, and decides which knobs there are.
func TestObjects(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	var asked []string
	words := experiments.Vocabulary{Object: func(v harness.Variant) ([]string, error) {
		asked = append(asked, v.Name)
		if v.Source == "./bad.bpf.c" {
			return nil, harness.Skip("it does not compile")
		}
		return []string{"slice_us"}, nil
	}}
	text := `
name: mine
extends: sched
variants:
  - {name: mine, like: scx-learned, source: mine.bpf.c}
`
	e, err := experiments.Open(writeFile(t, dir, "mine.yaml", text), words)
	if err != nil {
		t.Fatal(err)
	}
	mine := e.Variants[len(e.Variants)-1]
	if mine.Source != "./"+"mine.bpf.c" && mine.Source != filepath.Join(dir, "mine.bpf.c") || len(mine.Knobs) != 0 || !slices.Equal(asked, []string{"mine"}) {
		t.Errorf("%+v; asked about %q", mine, asked)
	}
	for _, tt := range []struct{ old, new, want string }{
		{"source: mine.bpf.c", "source: mine.bpf.c, knobs: [{name: slice_as, value: 1}]", `mine.yaml:5:72: variant mine: unknown knob of ./mine.bpf.c "slice_as", did you mean "slice_us"?`},
		{"source: mine.bpf.c", "source: bad.bpf.c", "mine.yaml:5:45: variant mine: source: it does not compile"},
	} {
		_, err := experiments.Open("./"+filepath.Base(writeFile(t, dir, "mine.yaml", strings.Replace(text, tt.old, tt.new, 1))), words)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.new, err, tt.want)
		}
	}
}
