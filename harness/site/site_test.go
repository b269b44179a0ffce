// SPDX-License-Identifier: Apache-2.0

package site

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// invented are an invented run and one whose every free text is markup. Nothing of them was measured.
func invented() []Run {
	const markup = `</style><script>alert("x")</script>`
	odd := synthetic.Golden()
	odd.Env.Experiment, odd.Env.Title, odd.Env.Question, odd.Env.Ask = "odd", markup, markup, markup
	odd.Env.Kernel, odd.Env.Complete, odd.Env.Commit = markup, false, ""
	odd.Env.Answers = []harness.Answer{{Need: markup, Workload: "pps", Unit: "pkt/s"}}
	for i := range odd.Env.Claims {
		c := &odd.Env.Claims[i]
		c.Experiment, c.Text, c.Source, c.Measured = "odd", markup, markup, markup
	}
	for i := range odd.Env.Plots {
		odd.Env.Plots[i].Title = markup
	}
	for i := range odd.Trials {
		odd.Trials[i].Cell.Experiment = "odd"
	}
	empty := synthetic.Golden()
	empty.Trials = nil
	return []Run{{Name: "one", Analysis: verdict.Analyze(synthetic.Golden())}, {Name: `o"dd <run>#1`, Analysis: verdict.Analyze(odd)}, {Name: "empty", Analysis: verdict.Analyze(empty)}}
}

func made(t *testing.T, runs []Run) map[string][]byte {
	t.Helper()
	claims, err := experiments.Claims()
	if err != nil {
		t.Fatal(err)
	}
	files, err := Make(runs, claims, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestSite: every link of the site leads somewhere, markup in names stays text, and the same runs give the same bytes in any order.
func TestSite(t *testing.T) {
	runs := invented()
	for _, name := range []string{"cc-wide", "sched-nginx", "sched-pipe"} {
		r, err := record.Open("../../results/" + name)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, Run{Name: name, Analysis: verdict.Analyze(r), Lost: name == "sched-pipe"})
	}
	files := made(t, runs)
	for _, fault := range BrokenLinks(files) {
		t.Error(fault)
	}
	for name, text := range files {
		if name == page.ChartFile {
			continue
		}
		charts := bytes.Count(text, []byte(`<script type="application/json" class="chart-data">`))
		want := 1 + charts + min(1, charts)
		if n := bytes.Count(text, []byte("<script")); n != want || bytes.Contains(text, []byte("<script>alert")) {
			t.Errorf("%s has %d scripts, want the lab's alone: %d", name, n, want)
		}
		if shared := bytes.Contains(text, []byte(`<script defer src="charts.js">`)); shared != (charts > 0) || bytes.Contains(text, []byte("leeoniya")) {
			t.Errorf("%s: %d charts; refers to the script of charts: %v", name, charts, shared)
		}
		if n := bytes.Count(text, []byte("</style>")); n != 1 {
			t.Errorf("%s ends %d styles", name, n)
		}
	}
	for _, want := range []string{page.ChartFile, "index.html", "question-lb.html", "question-odd.html", "run-o-dd-run-1.html", "method.html", "words.html", "history.html"} {
		if files[want] == nil {
			t.Errorf("there is no %s", want)
		}
	}
	for name, wants := range map[string][]string{
		"index.html":          {`<a href="run-sched-nginx.html">`, "✗ contradicted", "xdp-nat carries", `<td class="num">5</td>`, `<td class="num">0</td>`, ", incomplete", "rate=0"},
		"question-odd.html":   {"This run is incomplete", "commit not known"},
		"question-lb.html":    {"xdp-nat is shown worse in"},
		"run-sched-pipe.html": {", which is not in the repository"},
		"question-sched.html": {"Intervals are of", `<details class="more">`, `<a href="https://github.com/sched-ext/scx/blob/main/OVERVIEW.md" rel="external noopener">`},
	} {
		for _, want := range wants {
			if !bytes.Contains(files[name], []byte(want)) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
	}
	again := made(t, append(runs[3:], runs[:3]...))
	for name := range files {
		if !bytes.Equal(files[name], again[name]) {
			t.Errorf("%s differs from one making to the next", name)
		}
	}
	if _, err := Make([]Run{runs[0], runs[0]}, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "would have the same page") {
		t.Errorf("two runs of one name: %v", err)
	}
}

// TestExtending: a run of a definition that extends a shipped one has results of its claims, and no link to rows that its page lacks.
func TestExtending(t *testing.T) {
	claim := harness.Claim{ID: "four", Experiment: "lb", Text: "four times", Source: "s", Measured: "m", Figure: 4, Relation: ">=", Unit: "pkt/s",
		Numerator:   harness.CellSelector{Workload: "pps", Variant: "xdp-nat", Where: []harness.AxisValue{{Name: "services", Value: "1"}, {Name: "rate", Value: "0"}}},
		Denominator: harness.CellSelector{Workload: "pps", Variant: "iptables", Where: []harness.AxisValue{{Name: "services", Value: "1"}, {Name: "rate", Value: "0"}}}}
	shipped, own := synthetic.Golden(), synthetic.Golden()
	own.Env.Experiment = "mine"
	for _, r := range []*record.Run{shipped, own} {
		r.Env.Ask, r.Env.Claims = "Which?", []harness.Claim{claim}
	}
	for i := range own.Trials {
		own.Trials[i].Cell.Experiment = "mine"
	}
	files, err := Make([]Run{{Name: "a", Analysis: verdict.Analyze(shipped)}, {Name: "b", Analysis: verdict.Analyze(own)}}, []harness.Claim{claim}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if faults := BrokenLinks(files); len(faults) > 0 {
		t.Error(faults)
	}
	for _, want := range []string{`<a href="run-a.html#claim-four">`, `<td data-name="run"><a href="run-b.html">`} {
		if !bytes.Contains(files["index.html"], []byte(want)) {
			t.Errorf("the index has no %s", want)
		}
	}
}

// TestWords: the words of docs/design.md are those of the site.
func TestWords(t *testing.T) {
	text, err := os.ReadFile("../../docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Words")
	table, _, _ = strings.Cut(table, "## Layout")
	rows := regexp.MustCompile(`(?m)^\| ([a-z-]+(?: axis)?) \| `).FindAllStringSubmatch(table, -1)
	if len(rows) < 8 {
		t.Fatalf("%d words in docs/design.md", len(rows))
	}
	ids := map[string]bool{}
	for _, w := range slices.Concat(words(), terms()) {
		if ids[w.ID] {
			t.Errorf("the word %s stands there twice", w.ID)
		}
		ids[w.ID] = true
	}
	for _, row := range rows {
		if _, ok := harness.Find(words(), func(w word) bool { return w.Word == row[1] || row[1] == "word" }); !ok {
			t.Errorf("the site lacks the word %q", row[1])
		}
	}
}

// TestWrite: a site takes the place of an older one, and of nothing else; a folder that is refused stays as it was, and nothing is left
// beside.
func TestWrite(t *testing.T) {
	first, second := map[string][]byte{"index.html": []byte("1"), "old.html": nil}, map[string][]byte{"index.html": []byte("2")}
	parent := t.TempDir()
	dir := filepath.Join(parent, "deep", "site")
	list := func(of string) string {
		entries, _ := os.ReadDir(of)
		return strings.Join(harness.Map(entries, func(e os.DirEntry) string { return e.Name() }), " ")
	}
	for _, step := range []struct {
		files map[string][]byte
		want  string
	}{{first, ".kxlab-site index.html old.html"}, {second, ".kxlab-site index.html"}} {
		if err := Write(dir, step.files); err != nil {
			t.Fatal(err)
		}
		if got := list(dir); got != step.want {
			t.Errorf("the site has %q, want %q", got, step.want)
		}
	}
	// A process that was killed left its part, and one that lives still writes.
	dead, live := partOf(dir, "1999999999-1"), partOf(dir, fmt.Sprintf("%s-other", owner.Self()))
	if err := errors.Join(os.Mkdir(dead, 0o755), os.Mkdir(live, 0o755), Write(dir, second), os.Remove(live)); err != nil {
		t.Error(err)
	}
	if err := Write(dir, map[string][]byte{"no/such/folder": nil}); err == nil {
		t.Error("a file that cannot be written is no error")
	}
	if got := list(dir) + "; " + list(filepath.Dir(dir)); got != ".kxlab-site index.html; site" {
		t.Errorf("after an error: %q", got)
	}

	for _, tt := range []struct {
		what    string
		prepare func(dir string) error
		want    string
	}{
		{"a foreign folder", func(d string) error { return os.WriteFile(filepath.Join(d, "precious"), nil, 0o644) }, "it has no .kxlab-site"},
		{"a foreign file in a site", func(d string) error {
			return errors.Join(Write(d, first), os.WriteFile(filepath.Join(d, "precious"), nil, 0o644))
		}, "precious is not of the site"},
		{"a site of another version", func(d string) error { return os.WriteFile(filepath.Join(d, marker), []byte("kxlab site 9\n"), 0o644) }, "of another version"},
		{"a file", func(d string) error { return errors.Join(os.Remove(d), os.WriteFile(d, nil, 0o644)) }, "it is no folder"},
		{"a link", func(d string) error { return errors.Join(os.Remove(d), os.Symlink(dir, d)) }, "it is a symbolic link: name the folder"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			d := t.TempDir()
			if err := tt.prepare(d); err != nil {
				t.Fatal(err)
			}
			before := list(d)
			if err := Write(d, second); !errors.Is(err, ErrNotSite) || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if after := list(d); after != before {
				t.Errorf("the folder had %q and has %q", before, after)
			}
		})
	}
}

// TestSwap: two folders change places also where the file system cannot do so at once, and the old one is back if that fails.
func TestSwap(t *testing.T) {
	parent := t.TempDir()
	a, b := filepath.Join(parent, "a"), filepath.Join(parent, "b")
	if err := errors.Join(os.Mkdir(a, 0o755), os.Mkdir(b, 0o755), os.WriteFile(filepath.Join(a, "new"), nil, 0o644), os.WriteFile(filepath.Join(b, "old"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := swap(a, b); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b, "new")); err != nil {
		t.Error(err)
	}
	if err := swap(filepath.Join(parent, "none"), b); err == nil {
		t.Error("a folder that is not there is no error")
	}
	if _, err := os.Stat(filepath.Join(b, "new")); err != nil {
		t.Errorf("the old folder is not back: %v", err)
	}
}
