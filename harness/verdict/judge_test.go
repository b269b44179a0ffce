// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// A cell is one cell of a small run made by hand.
type cell struct {
	variant, class, rate string
	values               []float64 // one a repeat
}

// small makes a run of one workload in one unit. Every variant has an object; hashes are those of the variants in changed.
func small(target string, m harness.MetricSpec, changed string, cells ...cell) *record.Run {
	r := &record.Run{Env: record.Env{Experiment: "lb", Target: target, Kernel: "k", CPU: "c", GOOS: "linux", GOARCH: "amd64", Complete: true,
		Workloads: []harness.WorkloadSpec{{Name: "w", Metrics: []harness.MetricSpec{m}}}, Objects: map[string]string{}}}
	for _, c := range cells {
		base := strings.TrimSuffix(c.variant, harness.SuffixAA)
		if base == c.variant {
			r.Env.Variants = append(r.Env.Variants, harness.Variant{Name: base, Class: c.class, Object: "lb/" + base})
			r.Env.Objects["lb/"+base] = "1"
			if strings.Contains(changed, base) {
				r.Env.Objects["lb/"+base] = "2"
			}
		}
		at := harness.Cell{Experiment: "lb", Workload: "w", Class: c.class, Variant: c.variant}
		if c.rate != "" {
			at.Axes = []harness.AxisValue{{Name: "rate", Value: c.rate}}
		}
		for i, v := range c.values {
			r.Trials = append(r.Trials, harness.Trial{Cell: at, Repeat: i, Result: harness.Result{Metrics: []harness.Metric{{Unit: m.Unit, Value: v}}}})
		}
	}
	return r
}

var (
	seconds = harness.MetricSpec{Unit: "sec/op", Better: "lower"}
	insn    = harness.MetricSpec{Unit: "insn/op", Better: "lower"}
	broken  = harness.MetricSpec{Unit: "broken/op", Better: "lower", Compare: harness.CompareDifference, Least: 1}
)

// around are five values with a median of m and a spread of about a part in a thousand.
func around(m float64) []float64 {
	return []float64{m, m * 1.001, m * 0.999, m * 1.0005, m * 0.9995}
}

func verdictOf(t *testing.T, c *Comparison, variant string) Row {
	t.Helper()
	for _, r := range c.Rows {
		if r.Cell.Variant == variant {
			return r
		}
	}
	t.Fatalf("no row of %s", variant)
	return Row{}
}

// TestExactNoisyRow: seed noise of one row among quiet ones makes it seldom different: its own variance counts.
func TestExactNoisyRow(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	const tries = 600
	noisy, gates := 0, 0
	for range tries {
		var a, b []cell
		for i := range 13 {
			sigma := 1e-4
			if i == 0 {
				sigma = 0.03
			}
			o, n := make([]float64, 5), make([]float64, 5)
			for j := range o {
				o[j] = 1000
				n[j] = 1000 * math.Exp(sigma*rng.NormFloat64())
			}
			name := string(rune('a' + i))
			a, b = append(a, cell{name, "c", "", o}), append(b, cell{name, "c", "", n})
		}
		c := mustCompare(t, small("exact", insn, "", a...), small("exact", insn, "", b...), CompareOptions{})
		if v := verdictOf(t, c, "a").Verdict; v != same {
			noisy++
		}
		if c.Gate() {
			gates++
		}
	}
	t.Logf("the noisy row different in %d of %d, the gate fired in %d", noisy, tries, gates)
	if noisy*20 > tries || gates*40 > tries {
		t.Errorf("the noisy row is called different in %d of %d tries, the gate fires in %d", noisy, tries, gates)
	}
}

// TestExactInterval: where a difference is shown, the interval excludes none, also of two seeds whose variance is their group's.
func TestExactInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	var a, b []cell
	for i := range 12 {
		n := []float64{1050 * math.Exp(1e-2*rng.NormFloat64()), 1050 * math.Exp(1e-2*rng.NormFloat64())}
		name := string(rune('a' + i))
		a, b = append(a, cell{name, "c", "", []float64{1000, 1000}}), append(b, cell{name, "c", "", n})
	}
	c := mustCompare(t, small("exact", insn, "", a...), small("exact", insn, "", b...), CompareOptions{})
	shown := 0
	for _, r := range c.Rows {
		low, high, ok := r.Interval()
		if r.Verdict == Worse {
			shown++
		}
		if r.Verdict == Worse && (!ok || low <= 0) || !(low <= r.Delta && r.Delta <= high) {
			t.Errorf("%s: %s, %v [%v, %v], p %v", r.Name, r.Verdict, r.Delta, low, high, *r.P)
		}
	}
	if shown != 12 {
		t.Errorf("%d of 12 rows are worse", shown)
	}
}

func TestExactSeeds(t *testing.T) {
	run := func(v ...float64) *record.Run { return small("exact", insn, "", cell{"a", "c", "", v}) }
	one := mustCompare(t, run(1000), run(1650), CompareOptions{})
	if r := one.Rows[0]; r.Verdict != OneTrial || r.P != nil || one.Gate() {
		t.Errorf("one seed: %q, p %v", r.Verdict, r.P)
	}
	other := run(1650, 1650)
	for i := range other.Trials {
		other.Trials[i].Repeat += 7
	}
	none := mustCompare(t, run(1000, 1000), other, CompareOptions{})
	if r := none.Rows[0]; r.Verdict != NoSeed || r.P != nil || none.Gate() {
		t.Errorf("no common seed: %q, p %v", r.Verdict, r.P)
	}
	zeros := mustCompare(t, run(0, 0, 0, 0, 5), run(100, 100, 100, 100, 5), CompareOptions{})
	if r := zeros.Rows[0]; r.Verdict != Worse || r.Delta != 100 {
		t.Errorf("zeros: %q, delta %v, p %v", r.Verdict, r.Delta, r.P)
	}
}

// TestExactTest: the effect is the median, one outlier does not make it; p is that of Student's t with four degrees of freedom.
func TestExactTest(t *testing.T) {
	ones := []float64{1, 1, 1, 1, 1}
	diff := harness.MetricSpec{Unit: "x-share", Better: "lower", Compare: harness.CompareDifference, Least: 0.1}
	c := mustCompare(t, small("exact", diff, "", cell{"a", "c", "", ones}), small("exact", diff, "", cell{"a", "c", "", []float64{2, 3, 4, 5, 11}}), CompareOptions{})
	r := c.Rows[0]
	// Differences 1, 2, 3, 4, 10: mean 4, variance 12.5, t = 4/sqrt(12.5/5) = 2.5298, p = 0.0646 with 4 degrees of freedom.
	if want := 2.77645 * math.Sqrt(12.5/5); math.Abs(r.Findable-want) > 1e-3 {
		t.Errorf("findable from %v on, want %v", r.Findable, want)
	}
	if r.Delta != 3 || math.Abs(*r.P-0.0646) > 2e-4 {
		t.Errorf("delta %v, p %v, want 3 and 0.0646", r.Delta, *r.P)
	}
}

// TestExactNoise: a row within the distance of the run's own A/A pair is no difference, and the note says so.
func TestExactNoise(t *testing.T) {
	for _, tt := range []struct {
		second float64
		want   string
	}{{1400, same}, {1001, Worse}} {
		a := small("exact", insn, "", cell{"a", "c", "", around(1000)}, cell{"a+aa", "c", "", around(tt.second)}, cell{"b", "c", "", around(1000)})
		b := small("exact", insn, "b", cell{"a", "c", "", around(1000)}, cell{"a+aa", "c", "", around(1000)}, cell{"b", "c", "", around(1300)})
		r := verdictOf(t, mustCompare(t, a, b, CompareOptions{}), "b")
		if r.Verdict != tt.want || (tt.want == same) != strings.Contains(r.Note, "raised to the A/A noise") {
			t.Errorf("A/A at %v: %q, %q, floor %v", tt.second, r.Verdict, r.Note, r.Floor)
		}
	}
}

// TestLeastRatio: a metric's own least holds where it is more than that of the comparison.
func TestLeastRatio(t *testing.T) {
	for _, tt := range []struct {
		least, effect, new float64
		want               string
	}{{0, 0.004, 1010, Worse}, {0.03, 0.004, 1010, same}, {0.03, 0.004, 1040, Worse}, {0.001, 0.02, 1010, same}} {
		m := insn
		m.Least = tt.least
		a, b := small("exact", m, "", cell{"a", "c", "", around(1000)}), small("exact", m, "", cell{"a", "c", "", around(tt.new)})
		if r := mustCompare(t, a, b, CompareOptions{MinEffect: tt.effect}).Rows[0]; r.Verdict != tt.want {
			t.Errorf("%+v: %q, floor %v", tt, r.Verdict, r.Floor)
		}
	}
}

// TestHostEffect: what is significant and below the minimum effect, or within the A/A noise, is no difference.
func TestHostEffect(t *testing.T) {
	for _, tt := range []struct {
		name        string
		second, new float64
		o           CompareOptions
		want        string
	}{
		{"below the minimum effect", 1000, 1020, CompareOptions{}, same},
		{"above the one asked for", 1000, 1020, CompareOptions{MinEffect: 0.01}, Worse},
		{"above the minimum effect", 1000, 1080, CompareOptions{}, Worse},
		{"within the A/A noise", 1100, 1080, CompareOptions{}, same},
		{"above the A/A noise", 1100, 1200, CompareOptions{}, Worse},
	} {
		a := small("host", seconds, "", cell{"a", "c", "", around(1000)}, cell{"a+aa", "c", "", around(tt.second)}, cell{"b", "c", "", around(1000)})
		b := small("host", seconds, "b", cell{"a", "c", "", around(1001)}, cell{"a+aa", "c", "", around(tt.second * 1.001)}, cell{"b", "c", "", around(tt.new)})
		if r := verdictOf(t, mustCompare(t, a, b, tt.o), "b"); r.Verdict != tt.want {
			t.Errorf("%s: %q (%v, p %v, floor %v)", tt.name, r.Verdict, r.Delta, *r.P, r.Floor)
		}
	}
}

// TestHostZeros: faults in all repeats where there were none are found, whatever else is compared.
func TestHostZeros(t *testing.T) {
	zero := []float64{0, 0, 0, 0, 0}
	for _, tt := range []struct {
		new  []float64
		want string
	}{
		{[]float64{2992, 2992, 2992, 2992, 2992}, Worse},
		{[]float64{2992, 5, 900, 12000, 70}, Worse},
		{[]float64{0, 0, 0, 0, 2992}, same},
		{zero, same},
	} {
		var a, b []cell
		for i := range 200 {
			name := "v" + string(rune('a'+i%26)) + string(rune('a'+i/26))
			a, b = append(a, cell{name, "c", "", zero}), append(b, cell{name, "c", "", zero})
		}
		a, b = append(a, cell{"x", "c", "", zero}), append(b, cell{"x", "c", "", tt.new})
		c := mustCompare(t, small("host", broken, "", a...), small("host", broken, "x", b...), CompareOptions{})
		if r := verdictOf(t, c, "x"); r.Verdict != tt.want || c.Gate() != (tt.want == Worse) {
			t.Errorf("0 to %v: %q, p %v", tt.new, r.Verdict, *r.P)
		}
	}
}

// TestDriftOfChanged: where all objects are slower, ceilings among them, they do not hide one another.
func TestDriftOfChanged(t *testing.T) {
	slow := map[string]float64{}
	for _, v := range []string{"tc-nat", "xdp-nat", "xdp-ipip", "xdp-ipip+aa", "tc-ipip", "xdp-jet", "xdp-dsr", "xdp-redirect", "xdp-tx"} {
		slow[v] = 1.1
	}
	fired := 0
	for i := range uint64(20) {
		a := synthetic.Spec{Seed: 5000 + 2*i, Repeats: 5, Noise: 0.02}.Run()
		b := synthetic.Spec{Seed: 5001 + 2*i, Repeats: 5, Noise: 0.02, Slow: slow}.Run()
		if mustCompare(t, a, b, CompareOptions{}).Gate() {
			fired++
		}
	}
	if fired < 19 {
		t.Errorf("all objects 10 %% slower: the gate fired in %d of 20", fired)
	}
}

// TestDriftByRate: the drift of saturated ceilings is not taken off paced cells, and none is known without an unchanged ceiling.
func TestDriftByRate(t *testing.T) {
	run := func(changed string, flat, paced float64) *record.Run {
		return small("host", seconds, changed,
			cell{"top", harness.ClassCeiling, "0", around(100 * flat)}, cell{"b", "c", "0", around(200 * flat)},
			cell{"top", harness.ClassCeiling, "1000", around(500 * paced)}, cell{"b", "c", "1000", around(700 * paced)})
	}
	c := mustCompare(t, run("", 1, 1), run("b", 1.07, 1), CompareOptions{})
	for _, r := range c.Rows {
		if r.Verdict != same || math.Abs(r.Delta) > 0.002 {
			t.Errorf("%s: %s, %v", r.Name, r.Verdict, r.Delta)
		}
	}
	c = mustCompare(t, run("", 1, 1), run("top b", 1.07, 1), CompareOptions{})
	for _, d := range c.Drifts {
		if d.Cells != 0 || d.Factor != 1 || !strings.Contains(d.String(), "drift not known") {
			t.Errorf("the ceiling's program changed: %s", d)
		}
	}
	if c.Count(Worse) != 2 {
		t.Errorf("without a drift: %s, want the two saturated rows worse", c.Summary())
	}
}

// TestCompareEffort: runs that measured less, or in other guests, are refused.
func TestCompareEffort(t *testing.T) {
	run := func() *record.Run {
		r := small("exact", insn, "", cell{"a", "c", "", around(1000)})
		r.Env.Profile, r.Env.MemBytes, r.Env.KernelFacts = "full", 1<<30, map[string]string{"root": "image"}
		r.Env.Budgets = map[string]string{"w": "measure 1s, warm 10ms"}
		return r
	}
	for what, change := range map[string]func(*record.Env){
		"profile": func(e *record.Env) { e.Profile = "smoke" },
		"memory":  func(e *record.Env) { e.MemBytes = 2 << 30 },
		"root":    func(e *record.Env) { e.KernelFacts = map[string]string{"root": "host"} },
		"budget":  func(e *record.Env) { e.Budgets = map[string]string{"w": "measure 1s, warm 20ms"} },
	} {
		other := run()
		change(&other.Env)
		if _, err := Compare(run(), other, CompareOptions{}); !errors.Is(err, errIncomparable) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	mustCompare(t, run(), run(), CompareOptions{})
	for _, effect := range []float64{math.NaN(), math.Inf(1), -1} {
		if _, err := Compare(run(), run(), CompareOptions{MinEffect: effect}); err == nil {
			t.Errorf("minimum effect %v is accepted", effect)
		}
	}
}

// TestCompareWeak: values beyond what could be measured are not compared, and benchmath's warnings are shown.
func TestCompareWeak(t *testing.T) {
	a, b := small("host", seconds, "", cell{"a", "c", "", around(1000)}), small("host", seconds, "a", cell{"a", "c", "", around(2000)})
	b.Trials[0].Result.Metrics[0].Beyond = true
	c := mustCompare(t, a, b, CompareOptions{})
	if r := c.Rows[0]; r.Verdict != NotKnown || r.P != nil || c.Gate() {
		t.Errorf("a bound: %q", r.Verdict)
	}
	if text := strings.Join(c.Remarks, "\n"); !strings.Contains(text, "1 row: too few repeats for an interval at 95 %: 6 are needed") {
		t.Errorf("remarks: %q", text)
	}
}
