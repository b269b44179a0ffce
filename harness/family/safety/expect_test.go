// SPDX-License-Identifier: Apache-2.0

package safety

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
)

func openSafety(t *testing.T) harness.Experiment {
	t.Helper()
	e, err := experiments.Open("safety", experiments.Vocabulary{Families: map[string]harness.Family{"safety": Family{}}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestParseExpectation: what is not understood is an error, not an expectation that nothing breaks.
func TestParseExpectation(t *testing.T) {
	seven := uint32(7)
	for text, want := range map[string]expectation{
		"root refused: R1 !read_ok":    {by: "root", words: "R1 !read_ok", fate: harness.FateRefused},
		"bpf@6.12 harmless 7":          {by: "bpf", since: version{6, 12}, fate: harness.FateHarmless, value: &seven},
		"module@7.2 oops: NULL: or so": {by: "module", since: version{7, 2}, fate: harness.FateOops, words: "NULL: or so"},
		"root":                         {},
		"root refuse":                  {},
		"user refused":                 {},
		"root@x refused":               {},
		"root harmless 99999999999":    {},
		"root harmless seven":          {},
	} {
		got, err := parseExpectation(text)
		if want.by == "" {
			if err == nil {
				t.Errorf("%q: %+v, want an error", text, got)
			}
			continue
		}
		same := got.by == want.by && got.since == want.since && got.fate == want.fate && got.words == want.words && (got.value == nil) == (want.value == nil)
		if err != nil || !same || got.value != nil && *got.value != *want.value {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

// TestContradictions: two lines of the same way and kernels that differ are an error with both, and other kernels or ways are none.
func TestContradictions(t *testing.T) {
	for _, c := range []struct {
		texts []string
		good  bool
	}{
		{[]string{"root harmless", "root refused: x"}, false},
		{[]string{"bpf@6.12 harmless 1", "root hang", "bpf@6.12 harmless 2"}, false},
		{[]string{"root harmless", "root@7.2 refused: x", "bpf refused"}, true},
		{[]string{"root harmless", "root harmless"}, true},
	} {
		_, err := parseExpectations(c.texts)
		named := err != nil && strings.Contains(err.Error(), c.texts[0]) && strings.Contains(err.Error(), c.texts[len(c.texts)-1])
		if (err == nil) != c.good || err != nil && !named {
			t.Errorf("%q: %v", c.texts, err)
		}
	}
}

// TestExpected: the newest line that is not newer than the kernel counts; bpf has root's unless it has its own.
func TestExpected(t *testing.T) {
	all, err := parseExpectations([]string{"root@6.4 hang", "root@7.2 refused: a", "bpf@6.12 leak"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		by     string
		kernel version
		want   string
	}{
		{"root", version{6, 1}, "lacks"}, {"root", version{6, 4}, "hang"}, {"root", version{6, 18}, "hang"}, {"root", version{7, 2}, "refused"},
		{"root", version{8, 0}, "refused"}, {"bpf", version{6, 10}, "lacks"}, {"bpf", version{7, 2}, "leak"}, {"module", version{7, 2}, "none"},
	} {
		e, err := expected(all, c.by, c.kernel)
		got := e.fate.String()
		switch {
		case errors.Is(err, harness.ErrNotSupported):
			got = "lacks"
		case errors.Is(err, errNone):
			got = "none"
		}
		if got != c.want {
			t.Errorf("%s on %v: %s, want %s", c.by, c.kernel, got, c.want)
		}
	}
	if e, err := expected(all[:2], "bpf", version{6, 18}); err != nil || e.fate != harness.FateHang {
		t.Errorf("bpf without a line of its own: %v, %v, want root's", e.fate, err)
	}
}

// TestJudge: another fate, other words or another value is no match.
func TestJudge(t *testing.T) {
	one, two := uint32(1), uint32(2)
	e := expectation{fate: harness.FateHarmless, value: &one, words: "fine"}
	for _, c := range []struct {
		f    found
		good bool
	}{
		{found{fate: harness.FateHarmless, value: &one, words: "all fine"}, true},
		{found{fate: harness.FateHarmless, value: &one, words: "first line", text: "more\nfine"}, true},
		{found{fate: harness.FateRefused, value: &one, words: "fine"}, false},
		{found{fate: harness.FateHarmless, value: &two, words: "fine"}, false},
		{found{fate: harness.FateHarmless, words: "fine"}, false},
		{found{fate: harness.FateHarmless, value: &one}, false},
	} {
		if err := e.judge(c.f); (err == nil) != c.good {
			t.Errorf("%v: %v", c.f, err)
		}
	}
}

// TestReadDeath: a hang is told from an oops.
func TestReadDeath(t *testing.T) {
	for text, want := range map[string]harness.Fate{
		"guest: kernel panic: watchdog: BUG: soft lockup - CPU#0 stuck for 3s! [kxlab:1]; softlockup: hung tasks": harness.FateHang,
		"guest: kernel panic: BUG: " + hangMark + " after 5s: loop; sysrq triggered crash":                        harness.FateHang,
		"guest: kernel panic: hung_task: blocked tasks":                                                           harness.FateHang,
		"guest: kernel panic: BUG: kernel NULL pointer dereference, address: 0; Fatal exception":                  harness.FateOops,
	} {
		if got := readDeath(harness.Death{Text: text}); got.fate != want {
			t.Errorf("%s: %v, want %v", text, got.fate, want)
		}
	}
	if got := readDeath(harness.Death{Hung: true, Text: "BUG: something"}); got.fate != harness.FateHang {
		t.Errorf("a silent guest: %v", got.fate)
	}
}

// TestDied: a guest's death that is not recorded fails the cell and keeps what was found. A guest that only fell silent is tried again.
func TestDied(t *testing.T) {
	v := harness.Variant{Name: "divide-zero", Object: "safety/divide_zero"}
	c := harness.Cell{Workload: workFault, Axes: []harness.AxisValue{{Name: axisBy, Value: byRoot}}}
	r, err := Family{}.Died(v, c, harness.Death{Kernel: "7.2.12", Text: "guest: kernel panic: hung_task: blocked tasks"})
	if fate, ok := r.Fate(); !errors.Is(err, harness.ErrSetup) || !ok || fate != harness.FateHang {
		t.Errorf("%v, %v, %v, want a failed cell and a hang", fate, ok, err)
	}
	r, err = Family{}.Died(v, c, harness.Death{Kernel: "7.2.12", Hung: true})
	if fate, ok := r.Fate(); err == nil || errors.Is(err, harness.ErrSetup) || ok {
		t.Errorf("silent: %v, %v, %v, want another try", fate, ok, err)
	}
}

// TestCorpus: every source is a variant and the reverse, each says what is expected on every kernel, and each has its essay.
func TestCorpus(t *testing.T) {
	var have, modules []string
	e := openSafety(t)
	for _, v := range e.Variants {
		have = append(have, v.Object)
		_, all, err := openFault(v)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := (Family{}).CheckVariant(v); err != nil {
			t.Error(err)
		}
		for _, by := range []string{byRoot, byBPF} {
			if _, err := expected(all, by, version{7, 2}); err != nil {
				t.Errorf("%s by %s on 7.2: %v", v.Name, by, err)
			}
		}
		if all, err := moduleExpectations(v); err == nil {
			modules = append(modules, v.Object)
			if _, err := expected(all, byModule, version{7, 2}); err != nil {
				t.Errorf("%s by module on 7.2: %v", v.Name, err)
			}
		} else if !errors.Is(err, harness.ErrNotSupported) {
			t.Error(err)
		}
	}
	slices.Sort(have)
	slices.Sort(modules)
	foreign := func(name string) bool { return !strings.HasPrefix(name, "safety/") }
	corpus, corpusModules := slices.DeleteFunc(bpf.Names(), foreign), slices.DeleteFunc(bpf.Modules(), foreign)
	if !slices.Equal(have, corpus) {
		t.Errorf("variants %v\ncorpus %v", have, corpus)
	}
	if !slices.Equal(modules, corpusModules) {
		t.Errorf("modules with a variant %v\nmodules %v", modules, corpusModules)
	}
	if len(corpus) < 40 || len(modules) < 15 {
		t.Errorf("%d programs, %d modules", len(corpus), len(modules))
	}
	for _, name := range append(corpus, modules...) {
		raw, err := os.ReadFile(filepath.Join("../../../bpf", name+".bpf.c"))
		head, _, _ := strings.Cut(string(raw), "*/")
		if err != nil || strings.Count(head, "\n") < 5 {
			t.Errorf("%s: an essay of %d lines, %v", name, strings.Count(head, "\n"), err)
		}
	}
	_, only := modulesOf(e)
	slices.Sort(only)
	for i := range modules {
		modules[i] = strings.ReplaceAll(strings.TrimPrefix(modules[i], "safety/"), "_", "-")
	}
	slices.Sort(modules)
	if !slices.Equal(only, modules) {
		t.Errorf("modules of profile full %v\nthere are %v", only, modules)
	}
}

// modulesOf are the variants that profile full runs as modules.
func modulesOf(e harness.Experiment) (profile string, only []string) {
	for _, p := range e.Profiles {
		for _, w := range p.Workloads {
			if p.Name == "full" && len(w.Axes) == 1 && slices.Equal(w.Axes[0].Values, []string{byModule}) {
				return p.Name, slices.Clone(w.Only)
			}
		}
	}
	return "", nil
}
