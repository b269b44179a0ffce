// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/plot"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got, -update writes it anew):\n%s", name, diff)
	}
}

func TestGoldenTables(t *testing.T) {
	for _, f := range []string{"text", "markdown"} {
		var b bytes.Buffer
		if err := WriteTables(&b, verdict.Analyze(synthetic.Golden()), f); err != nil {
			t.Fatal(err)
		}
		golden(t, "tables."+f, b.Bytes())
	}
}

func TestGoldenCompare(t *testing.T) {
	b := synthetic.Spec{Seed: 2, Repeats: 5, Noise: 0.02, Drift: 1.05, Slow: map[string]float64{"xdp-jet": 1 / 0.9}}.Run()
	c := mustCompareRuns(t, synthetic.Golden(), b)
	for _, f := range []string{"text", "markdown"} {
		var out bytes.Buffer
		if err := WriteComparison(&out, c, f); err != nil {
			t.Fatal(err)
		}
		golden(t, "compare."+f, out.Bytes())
	}
	if !c.Gate() {
		t.Error("the gate did not fire")
	}
}

func TestFormatsParse(t *testing.T) {
	c := mustCompareRuns(t, synthetic.Golden(), synthetic.Spec{Seed: 9, Repeats: 3, Noise: 0.02}.Run())
	for f, parse := range map[string]func([]byte) error{
		"json":  func(b []byte) error { var v any; return json.Unmarshal(b, &v) },
		"junit": func(b []byte) error { var s junitSuite; return xml.Unmarshal(b, &s) },
	} {
		var b bytes.Buffer
		if err := WriteComparison(&b, c, f); err != nil {
			t.Fatal(err)
		}
		if err := parse(b.Bytes()); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	var b bytes.Buffer
	var v any
	if err := WriteTables(&b, verdict.Analyze(synthetic.Golden()), "json"); err != nil {
		t.Fatal(err)
	} else if err := json.Unmarshal(b.Bytes(), &v); err != nil {
		t.Errorf("tables as json: %v", err)
	}
	if err := WriteTables(&b, verdict.Analyze(synthetic.Golden()), "jsno"); err == nil || !strings.Contains(err.Error(), `did you mean "json"`) {
		t.Errorf("unknown format: %v", err)
	}
	if err := WriteComparison(&b, c, "pdf"); err == nil {
		t.Error("unknown format taken")
	}
}

func TestFindings(t *testing.T) {
	want := map[string]string{"four": verdict.Shown, "six": verdict.Contradicted, "near": verdict.NotShown, "at-most": verdict.Contradicted,
		"absent": verdict.CannotTest, "unmeasured": verdict.CannotTest, "cannot": verdict.CannotTest}
	for _, f := range verdict.Analyze(synthetic.Golden()).Findings {
		if f.Verdict != want[f.Claim.ID] || f.Why == "" {
			t.Errorf("%s: %s (%s), want %s", f.Claim.ID, f.Verdict, f.Why, want[f.Claim.ID])
		}
		if f.Claim.ID == "absent" && !strings.Contains(f.Why, "kernel has no IPVS") {
			t.Errorf("a skipped cell's reason is not given: %s", f.Why)
		}
	}
	few := synthetic.Spec{Seed: 1, Repeats: 3, Noise: 0.001}.Run()
	if f := verdict.Analyze(few).Evaluate(synthetic.TestClaims()[0]); f.Verdict != verdict.NotShown {
		t.Errorf("three repeats: %s (%s)", f.Verdict, f.Why)
	}
}

func TestPlotsRepeat(t *testing.T) {
	a, remarks, err := plot.Plots(synthetic.Golden())
	if err != nil || len(remarks) > 0 {
		t.Fatal(err, remarks)
	}
	b, _, _ := plot.Plots(synthetic.Golden())
	for i := range a {
		first, err := a[i].PNG()
		again, _ := b[i].PNG()
		if err != nil || !bytes.Equal(a[i].SVG, b[i].SVG) || !bytes.Equal(first, again) {
			t.Errorf("%s differs from one drawing to the next", a[i].Name)
		}
		if err := xml.Unmarshal(a[i].SVG, new(struct{})); err != nil {
			t.Errorf("%s: %v", a[i].Name, err)
		}
		if _, err := png.Decode(bytes.NewReader(first)); err != nil {
			t.Errorf("%s: %v", a[i].Name, err)
		}
		for _, want := range []string{"kernel 0.0-synthetic", "host", "M pkt/s"} {
			if want == "M pkt/s" && !strings.HasPrefix(a[i].Name, "pps") {
				continue
			}
			if !bytes.Contains(a[i].SVG, []byte(want)) {
				t.Errorf("%s does not say %q", a[i].Name, want)
			}
		}
	}
}

// An ambiguous or empty plot, zeros on a logarithmic axis and a run without trials must not panic.
func TestPlotsOddData(t *testing.T) {
	r := synthetic.Golden()
	r.Env.Plots = []harness.PlotSpec{{Name: "two-cells", Workload: "pps", Unit: "pkt/s"}}
	// A user's axes may make any plot ambiguous: it is left out with a remark, and the others are drawn.
	if _, remarks, err := plot.Plots(r); err != nil || !strings.Contains(strings.Join(remarks, "\n"), "name an axis more") {
		t.Errorf("ambiguous plot: %v, remarks %q", err, remarks)
	}
	r = synthetic.Golden()
	for i := range r.Trials {
		for j := range r.Trials[i].Result.Metrics {
			r.Trials[i].Result.Metrics[j].Value = 0
		}
	}
	r.Env.Plots = r.Env.Plots[:1]
	if _, _, err := plot.Plots(r); err != nil {
		t.Errorf("bars of zeros: %v", err)
	}
	mustCompareRuns(t, r, r)
	r.Trials = nil
	var b bytes.Buffer
	if err := writePage(&b, r); err != nil {
		t.Errorf("no trials: %v", err)
	}
}

func TestHTML(t *testing.T) {
	r := synthetic.Golden()
	const markup = `<script>alert("x")</script>`
	r.Env.Question, r.Env.Title, r.Env.Notes = markup, markup, []string{markup}
	r.Env.Variants[0].About, r.Env.Workloads[0].About, r.Env.Plots[0].Title = markup, markup, markup
	r.Env.Claims[0].Text, r.Env.Claims[0].Source = markup, markup
	r.Env.Rejected = append(r.Env.Rejected, record.Rejected{Cell: "c", Reason: markup})
	r.Env.Complete = false
	var b bytes.Buffer
	if err := writePage(&b, r); err != nil {
		t.Fatal(err)
	}
	page, library, _ := strings.Cut(b.String(), "<script>\n/*\nuPlot, ")
	library = strings.ReplaceAll(library, "https://github.com/leeoniya/uPlot", "")
	charts := strings.Count(page, `<script type="application/json" class="chart-data">`)
	if n := strings.Count(page, "<script"); n != 1+charts || charts == 0 || strings.Count(library, "<script") > 0 {
		t.Errorf("the page has %d scripts before that of %d charts, want the lab's alone", n, charts)
	}
	page += library
	for _, bad := range []string{"<script>alert", "src=", "<link", "url(", "@import", "http:", "https:"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, want := range []string{"kernel 0.0-synthetic", "incomplete", "contradicted", "kernel has no IPVS", "unaccounted", "<svg"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// generate works from the files alone.
func TestGenerate(t *testing.T) {
	src := synthetic.Golden()
	dir := filepath.Join(t.TempDir(), "run")
	w, err := record.Create(dir, src.Env)
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range src.Trials[:60] {
		if err := w.Trial(tr); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path, err := generate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Size() < 10000 {
		t.Errorf("page: %v", err)
	}
	if m, _ := filepath.Glob(filepath.Join(dir, plotsDir, "*.svg")); len(m) == 0 {
		t.Error("no plots")
	}
	if _, err := record.Open(dir); err != nil {
		t.Errorf("the run cannot be read any more: %v", err)
	}
}

// TestBeyond: a median that is a bound is shown as one. A median is a bound if half of the values or more are.
func TestBeyond(t *testing.T) {
	for _, c := range []struct {
		above int // repeats above this one are bounds
		bound bool
	}{{1, true}, {3, false}} {
		r := synthetic.Golden()
		for i := range r.Trials {
			tr := &r.Trials[i]
			tr.Result.Metrics = append([]harness.Metric(nil), tr.Result.Metrics...)
			if tr.Cell.Variant == "xdp-nat" && tr.Repeat > c.above {
				tr.Result.Metrics[0].Beyond = true
			}
		}
		var b strings.Builder
		if err := WriteTables(&b, verdict.Analyze(r), "text"); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(b.String(), "\n") {
			if got, want := strings.Contains(line, "not known, at least "), c.bound && strings.HasPrefix(line, "  xdp-nat "); got != want {
				t.Errorf("repeats above %d are bounds: %q", c.above, line)
			}
		}
	}
}

// generate reads a run directory and writes its page.
func generate(dir string) (string, error) {
	r, err := record.Open(dir)
	if err != nil {
		return "", err
	}
	return Write(verdict.Analyze(r))
}

// writePage writes the page of a run.
func writePage(b *bytes.Buffer, r *record.Run) error {
	p, err := New(verdict.Analyze(r))
	if err != nil {
		return err
	}
	return p.Write(b, Frame{})
}

func opened(t *testing.T, dir string) *verdict.Analysis {
	t.Helper()
	r, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return verdict.Analyze(r)
}
