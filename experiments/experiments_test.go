// SPDX-License-Identifier: Apache-2.0

package experiments_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
)

type family struct{ workloads, axes []string }

func (f family) Workloads() []string { return f.workloads }
func (f family) Methods() []string   { return []string{"xdp", "nft"} }
func (f family) Axes() []string      { return f.axes }
func (f family) Prepare(context.Context, harness.Group) (harness.Stage, error) {
	return nil, harness.Skip("a family for tests")
}

var vocabulary = experiments.Vocabulary{
	Families: map[string]harness.Family{
		"t": family{workloads: []string{"pps", "rr"}, axes: []string{"services", "flows"}},
	},
}

const good = `
name: t
title: A title
question: A question
aa: b
variants:
  - {name: a, class: nat, attach: nft, about: the first}
  - {name: b, class: ipip, attach: xdp, object: t/b, about: the second, knobs: [{name: entries, value: 7}]}
workloads:
  - name: pps
    axes:
      - {name: services, values: [1, 1e3], setup: true}
      - {name: flows, values: [64]}
    metrics:
      - {unit: pkt/s, better: higher}
      - {unit: cpu-ns/pkt, better: lower}
profiles:
  - name: quick
    repeats: 3
    measure: 300ms
    warm: 1s
    workloads:
      - {name: pps, repeats: 2, axes: [{name: flows, values: [1, 2]}], only: [b]}
plots:
  - {name: p, title: P, workload: pps, unit: pkt/s, x: services, logx: true, class: nat, where: [{name: flows, value: 64}], labels: {x: s, y: pps}}
baseline: a
`

func TestParse(t *testing.T) {
	e, err := experiments.Parse("t.yaml", []byte(good), vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	if e.Family != "t" {
		t.Errorf("family is %q, should be the name", e.Family)
	}
	if got := e.Workloads[0].Axes[0]; !slices.Equal(got.Values, []string{"1", "1000"}) || !got.Setup {
		t.Errorf("axis services: %+v", got)
	}
	if got := e.Variants[1].Knobs; len(got) != 1 || got[0] != (harness.Knob{Name: "entries", Value: 7}) {
		t.Errorf("knobs: %+v", got)
	}
	p := e.Profiles[0]
	if p.Measure != 300*time.Millisecond || p.Warm != time.Second || p.Workloads[0].Only[0] != "b" {
		t.Errorf("profile: %+v", p)
	}
	if pl := e.Plots[0]; !pl.LogX || pl.Where[0].Value != "64" || pl.Labels.Y != "pps" {
		t.Errorf("plot: %+v", pl)
	}
}

// Each case damages one place of the good definition; the error must name the file and the item.
func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ what, old, new, want string }{
		{"unknown key", "title: A title", "titel: A title", `t.yaml:3:1: unknown key "titel", did you mean "title"`},
		{"unknown key in a list", "attach: nft,", "attach: nft, colour: red,", `t.yaml:7:40: unknown key "colour"`},
		{"key twice", "question: A question", "question: A\nquestion: B", `t.yaml:5:1: key "question" is given twice, before on line 4`},
		{"not YAML", "name: t\n", "name: [t\n", "read YAML"},
		{"two documents", "baseline: a\n", "baseline: a\n---\nbaseline: c\n", "t.yaml:27:1: a second YAML document begins"},
		{"control character", "question: A question", `question: "<b>\e[31mred"`, `t.yaml:4:11: a control character in "<b>\x1b[31mred"`},
		{"word for a number", "repeats: 3", "repeats: three", "t.yaml:19:14: repeats: want a whole number"},
		{"bad duration", "measure: 300ms", "measure: 300", "measure: want a duration with its unit"},
		{"negative knob", "value: 7}", "value: -7}", `value: want a whole number of 0 or more, not "-7"`},
		{"map for a list", "only: [b]", "only: {b: 1}", "only: want a list"},
		{"no title", "title: A title\n", "", "title"},
		{"too little memory", "name: t\n", "name: t\nguest: {memorymb: 1}\n", "t.yaml:3:19: guest: memorymb is 1, want 160 to 1048576"},
		{"too much memory", "name: t\n", "name: t\nguest: {memorymb: 4000000}\n", "guest: memorymb is 4000000, want 160 to 1048576"},
		{"too many CPUs", "name: t\n", "name: t\nguest: {cpus: 256}\n", "guest: cpus is 256, want 1 to 255"},
		{"negative guests", "name: t\n", "name: t\nguest: {exactparts: -1}\n", "guest: exactparts is -1, want 1 to 255"},
		{"long name", "name: t\n", "name: " + strings.Repeat("t", 101) + "\nfamily: t\n", "101 characters long, at most 100"},
		{"unknown root of guests", "name: t\n", "name: t\nguest: {root: hots}\n", `unknown root of guests "hots"`},
		{"unknown family", "name: t\n", "name: tt\n", `unknown family "tt", did you mean "t"`},
		{"name with space", "name: t\n", "name: t t\nfamily: t\n", "experiment \"t t\""},
		{"variant twice", "{name: b, class", "{name: a, class", `variant "a" is given twice`},
		{"variant of processors", "{name: a, class", "{name: a-1, class", "GOMAXPROCS"},
		{"variant named as A/A", "{name: a, class", "{name: a+aa, class", "kept for the second"},
		{"unknown attach method", "attach: nft", "attach: ntf", `variant a: unknown attach method "ntf"`},
		{"no about", ", about: the first", "", "variant a: about"},
		{"knobs without object", "object: t/b, ", "", "variant b: knobs"},
		{"unknown workload of an answer", "baseline: a", "baseline: a\nanswers: [{need: n, workload: z, unit: op/s}]", `answers: unknown workload "z"`},
		{"answer without a need", "baseline: a", "baseline: a\nanswers: [{workload: w, unit: op/s}]", `need is empty`},
		{"answer of a variant, over none", "baseline: a", "baseline: a\nanswers: [{need: n, workload: pps, unit: pkt/s, of: [a]}]", `of and over: a need that has one has both`},
		{"answer with a price, wholly", "baseline: a", "baseline: a\nanswers: [{need: n, workload: pps, unit: pkt/s, price: true, whole: 1}]", `a need has one of them at most`},
		{"answer with a zero, not wholly", "baseline: a", "baseline: a\nanswers: [{need: n, workload: pps, unit: pkt/s, zero: pkt/s}]", `zero: a need that has it has whole too`},
		{"answer with an unknown zero", "baseline: a", "baseline: a\nanswers: [{need: n, workload: pps, unit: pkt/s, whole: 1, zero: z}]", `zero: unknown unit "z"`},
		{"answer of an unknown variant", "baseline: a", "baseline: a\nanswers: [{need: n, workload: pps, unit: pkt/s, of: [z], over: [a]}]", `answers: of: unknown variant "z"`},
		{"answer over an unknown variant", "baseline: a", "baseline: a\nanswers: [{need: n, workload: pps, unit: pkt/s, of: [a], over: [z]}]", `answers: over: unknown variant "z"`},
		{"unknown answerplot", "baseline: a", "baseline: a\nanswerplot: q", `answerplot: unknown plot "q"`},
		{"unknown class of a workload", "  - name: pps\n", "  - name: pps\n    classes: [nat, dsr]\n", `classes: unknown class "dsr"`},
		{"unknown baseline", "baseline: a", "baseline: c", `baseline: unknown variant "c"`},
		{"unknown aa", "aa: b", "aa: c", `aa: unknown variant "c"`},
		{"unknown workload", "- name: pps\n", "- name: ppx\n", `workload ppx: unknown workload "ppx"`},
		{"unknown axis", "name: services, values", "name: servcies, values", `did you mean "services"`},
		{"axis without values", "values: [64]", "values: []", "axis flows: no values"},
		{"axis value with slash", "values: [64]", "values: [6/4]", `value of axis flows "6/4"`},
		{"axis value twice", "values: [1, 2]", "values: [1, 1]", "twice"},
		{"unknown unit", "unit: cpu-ns/pkt", "unit: ms/pkt", "unit ms/pkt"},
		{"unknown unit below", "unit: cpu-ns/pkt", "unit: cpu-ns/pkg", `did you mean "pkt"`},
		{"unit twice", "unit: cpu-ns/pkt", "unit: pkt/s", `unit "pkt/s" is given twice`},
		{"unknown way", "better: lower", "better: less", "unit cpu-ns/pkt: unknown way"},
		{"unknown way to compare", "better: lower", "better: lower, compare: quotient", "unit cpu-ns/pkt: unknown way to compare"},
		{"least of a ratio", "better: lower", "better: lower, least: 3", "unit cpu-ns/pkt: least is 3, and ratios are compared: want"},
		{"least below 0", "better: lower", "better: lower, compare: difference, least: -1", "unit cpu-ns/pkt: least is -1"},
		{"no repeats", "repeats: 3", "repeats: 0", "profile quick: repeats"},
		{"nothing measured", "measure: 300ms", "measure: 0s", "profile quick: measure"},
		{"profile's workload", "{name: pps, repeats", "{name: rr, repeats", `profile quick: unknown workload "rr"`},
		{"profile's axis", "axes: [{name: flows", "axes: [{name: flow", "profile quick: workload pps: unknown axis"},
		{"profile's variant", "only: [b]", "only: [d]", "only: unknown variant"},
		{"plot's unit", "unit: pkt/s, x", "unit: pkt, x", `plot p: unknown unit "pkt"`},
		{"plot's axis", "x: services", "x: service", `plot p: x: unknown axis "service"`},
		{"plot's class", "class: nat, where", "class: dsr, where", `plot p: unknown class "dsr"`},
		{"plot's kind", "unit: pkt/s, x: services", "unit: pkt/s, kind: pie", `plot p: unknown kind "pie"`},
		{"plot's kind and axis", "unit: pkt/s, x: services", "unit: pkt/s, kind: cdf, series: s, x: services", "plot p: x: kind cdf has no axis"},
		{"plot's missing series", "unit: pkt/s, x: services", "unit: pkt/s, kind: timeline", "plot p: series"},
		{"plot's needless series", "unit: pkt/s, x: services", "unit: pkt/s, x: services, series: s", "plot p: series"},
		{"plot's missing unit", "unit: pkt/s, x: services", "unit: pkt/s, kind: scatter", "plot p: against"},
		{"plot's second unit", "unit: pkt/s, x: services", "unit: pkt/s, kind: scatter, against: B", "plot p: against: unknown unit"},
		{"plot's marks", "unit: pkt/s, x: services", "unit: pkt/s, x: services, marks: m", "plot p: marks"},
		{"plot's variants", "class: nat, where", "class: nat, only: [z], where", "plot p: only: unknown variant"},
		{"plot's cells", "where: [{name: flows", "where: [{name: fl", "plot p: where: unknown axis"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			if n := strings.Count(good, tt.old); n != 1 {
				t.Fatalf("%q is in the good definition %d times", tt.old, n)
			}
			_, err := experiments.Parse("t.yaml", []byte(strings.Replace(good, tt.old, tt.new, 1)), vocabulary)
			if err == nil {
				t.Fatal("taken without complaint")
			}
			if msg := err.Error(); !strings.HasPrefix(msg, "t.yaml:") || !strings.Contains(msg, tt.want) {
				t.Errorf("got %q, want %q in it", msg, tt.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
		})
	}
}

// Every shipped definition loads, and every object that it names is there.
func TestShipped(t *testing.T) {
	objects := bpf.Names()
	for _, name := range experiments.Names() {
		e, err := experiments.Open(name, experiments.Vocabulary{})
		if err != nil {
			t.Error(err)
			continue
		}
		for _, v := range e.Variants {
			if v.Object != "" && !slices.Contains(objects, v.Object) {
				t.Errorf("%s: variant %s: no object %s (there are: %s)", name, v.Name, v.Object, strings.Join(objects, ", "))
			}
		}
		for _, profile := range []string{"smoke", "quick", "full"} {
			if !slices.ContainsFunc(e.Profiles, func(p harness.Profile) bool { return p.Name == profile }) {
				t.Errorf("%s: no profile %s", name, profile)
			}
		}
	}
}

// TestObjectsOf: variants with an object come along with their knobs, to be loaded only; the others do not.
// TestShippedComparisons: each share and count of faults says that it is compared as a difference, and what the least is. The ratio of
// a figure that differs between seeds of one program has a least of its own.
func TestShippedComparisons(t *testing.T) {
	ratios := []string{"runq-sec", "switch/s", "insn/switch", "forced-switch/s", "migration/s"} // over a window with the start and the end of the load
	swap := []string{"p50-call-sec", "p99-call-sec", "p50-force-sec", "p99-force-sec", "p50-gap-sec", "p99-gap-sec", "p50-latency-sec", "p99-latency-sec"}
	for _, name := range []string{"cc", "lb", "objects", "prog", "proxy", "sched", "start", "swap"} {
		e, err := experiments.Open(name, experiments.Vocabulary{})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range e.Workloads {
			for _, m := range w.Metrics {
				ownLeast := slices.Contains(ratios, m.Unit) || name == "swap" && (m.Unit == "pkt/s" || slices.Contains(swap, m.Unit)) // the lab's own work is in them
				may := strings.HasSuffix(m.Unit, "share") || strings.HasPrefix(m.Unit, "broken/") || m.Unit == "lost-B"
				if says := m.Compare == harness.CompareDifference && m.Least > 0; says != may || m.LeastRatio() > 0 != ownLeast {
					t.Errorf("%s, workload %s: %s: compare %q, least %v", name, w.Name, m.Unit, m.Compare, m.Least)
				}
			}
		}
	}
}

func TestObjectsOf(t *testing.T) {
	with := strings.Replace(good, "variants:\n", "objectsof: [lb]\nvariants:\n", 1)
	e, err := experiments.Parse("t.yaml", []byte(with), experiments.Vocabulary{})
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) int {
		return slices.IndexFunc(e.Variants, func(v harness.Variant) bool { return v.Name == name })
	}
	if at("iptables") >= 0 {
		t.Error("iptables has no object and came along")
	}
	if i := at("xdp-ipip-shared"); i < 0 || e.Variants[i].Attach != "load" || e.Variants[i].Class != "lb" || len(e.Variants[i].Knobs) != 2 {
		t.Errorf("xdp-ipip-shared: %d of %+v", i, e.Variants)
	}
	if i := at("a"); i != 0 || e.Variants[0].Attach != "nft" {
		t.Errorf("the definition's own first variant is %+v", e.Variants[0])
	}
	if _, err := experiments.Parse("t.yaml", []byte(strings.Replace(with, "[lb]", "[lbb]", 1)), experiments.Vocabulary{}); err == nil ||
		!strings.Contains(err.Error(), `objectsof: unknown experiment "lbb", did you mean "lb"`) {
		t.Errorf("an unknown experiment: %v", err)
	}
}

// TestAliases: values behind aliases count as often as they are named, so that a small file cannot become a huge experiment.
func TestAliases(t *testing.T) {
	e, err := experiments.Parse("t.yaml", []byte(strings.NewReplacer("values: [64]", "values: &v [64]", "values: [1, 2]", "values: *v").Replace(good)), vocabulary)
	if err != nil || !slices.Equal(e.Profiles[0].Workloads[0].Axes[0].Values, []string{"64"}) {
		t.Errorf("%v, %+v", err, e.Profiles)
	}
	bomb := "workloads:\n  - &w {name: a, metrics: [" + strings.Repeat("{unit: s},", 1000) + "]}\n" + strings.Repeat("  - *w\n", 1000)
	if _, err := experiments.Parse("t.yaml", []byte(bomb), vocabulary); err == nil || !strings.Contains(err.Error(), "more than 262144 values") {
		t.Errorf("a million values: %v", err)
	}
	circle := strings.Replace(good, "only: [b]", "only: &o [*o]", 1)
	if _, err := experiments.Parse("t.yaml", []byte(circle), vocabulary); err == nil || !strings.Contains(err.Error(), "only: want a word, not a list") {
		t.Errorf("a list in itself: %v", err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "own.yaml")
	if err := os.WriteFile(own, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if e, err := experiments.Open(own, vocabulary); err != nil || e.Name != "t" {
		t.Errorf("user's file: %v, %v", e.Name, err)
	}
	for _, tt := range []struct{ name, want string }{
		{"bl", `unknown experiment "bl"`},
		{filepath.Join(dir, "none.yaml"), "no such file"},
		{dir + "/", "not a regular file"},
		{"/dev/zero", "not a regular file"},
	} {
		if _, err := experiments.Open(tt.name, vocabulary); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(good)) // the shipped files are too large: the fuzzer would spend its minute shrinking them
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := experiments.Parse("fuzz.yaml", raw, vocabulary)
		if err != nil {
			return
		}
		// Names that were taken must be safe to record.
		for _, w := range e.Workloads {
			c := harness.Cell{Experiment: e.Name, Workload: w.Name}
			for _, a := range w.Axes {
				c.Axes = append(c.Axes, harness.AxisValue{Name: a.Name, Value: a.Values[0]})
			}
			for _, v := range e.Variants {
				c.Class, c.Variant = v.Class, v.Name
				if name := c.BenchName(); strings.ContainsAny(name, " \t\n") || strings.Count(name, "/") != 3+len(c.Axes) {
					t.Errorf("benchmark name %q", name)
				}
			}
		}
	})
}
