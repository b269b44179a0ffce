// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/harness/verdict"
)

// invented is an invented run with all cells of a profile. It is no measurement.
func invented(t *testing.T, name, profile string) *record.Run {
	t.Helper()
	e, err := experiments.Open(name, experiments.Vocabulary{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := runner.NewPlan(e, runner.Selection{Profile: profile, Target: harness.TargetExact})
	if err != nil {
		t.Fatal(err)
	}
	r := synthetic.Golden()
	r.Dir, r.Trials = "results/scratch/"+name, nil
	r.Env.Experiment, r.Env.Baseline, r.Env.Variants, r.Env.Workloads, r.Env.AA = name, e.Baseline, e.Variants, e.Workloads, []string{e.AA}
	r.Env.Outcomes = []record.CellOutcome{{Cell: p.Groups[0].Blocks[0].Cells[0].BenchName(), Outcome: harness.OutcomeNotSupported, Reason: strings.Repeat("no such kernel\n", 90)}}
	r.Env.Rejected = nil
	for _, g := range p.Groups {
		for _, b := range g.Blocks {
			w, _ := e.Workload(b.Workload)
			for i, c := range b.Cells {
				r.Env.Rejected = append(r.Env.Rejected, record.Rejected{Cell: c.BenchName(), Reason: "invented\nof two lines"})
				for repeat := range b.Repeats {
					t := harness.Trial{Cell: c, Repeat: repeat, Result: harness.Result{Iterations: 1}}
					for j, u := range w.Units() {
						t.Result.Metrics = append(t.Result.Metrics, harness.Metric{Unit: u, Value: 1000 * float64(1+i) * math.Exp(0.01*float64(repeat%3+j))})
					}
					r.Trials = append(r.Trials, t)
				}
			}
		}
	}
	return r
}

// TestShortNamesMore: what one more trial recorded is named with its place.
func TestShortNamesMore(t *testing.T) {
	r := invented(t, "lb", "smoke")
	for _, more := range []bool{false, true} {
		if more {
			r.Functions, r.Stacks = []profile.Table{{}}, []profile.Profile{{}}
		}
		var b bytes.Buffer
		if err := WriteShort(&b, verdict.Analyze(r), Short{}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"All tables, functions too: kxlab report --all " + r.Dir, "Flame graphs: " + r.Dir + "/stacks"} {
			if strings.Contains(b.String(), want) != more {
				t.Errorf("with more trials %v: %q in\n%s", more, want, b.String())
			}
		}
	}
}

// TestShortIsShort: no run prints more lines than it may, none of them is wider than a terminal, and the answer comes before the tables.
func TestShortIsShort(t *testing.T) {
	for _, tt := range []struct {
		name, profile string
		lines         int
		brief         bool
	}{
		{"lb", "smoke", 0, false}, {"lb", "quick", 0, false}, {"cc", "quick", 0, false}, {"sched", "quick", 0, false}, {"lb", "full", 0, false},
		{"lb", "quick", 24, false}, {"cc", "quick", 24, false}, {"sched", "smoke", 1, false},
		{"lb", "quick", 9, true}, {"cc", "quick", 9, true}, {"sched", "quick", 9, true}, {"sched", "smoke", 1, true},
	} {
		t.Run(fmt.Sprint(tt.name, tt.profile, tt.lines, tt.brief), func(t *testing.T) {
			var b bytes.Buffer
			a := verdict.Analyze(invented(t, tt.name, tt.profile))
			if err := WriteShort(&b, a, Short{Lines: tt.lines, Brief: tt.brief}); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
			most, least := cmp.Or(tt.lines, ShortLines), leastLines
			if tt.brief {
				least = leastBrief
			}
			if n := len(lines); n > max(most, least) {
				t.Errorf("%d lines, want %d at most:\n%s", n, most, b.String())
			}
			for _, l := range lines {
				if len([]rune(l)) > shortWidth && !strings.Contains(l, "against") {
					t.Errorf("a line of %d columns: %q", len([]rune(l)), l)
				}
			}
			if told := strings.TrimSpace(b.String()[:strings.Index(b.String(), "Cells without")]); tt.brief && !strings.HasSuffix(told, ".") && !strings.HasSuffix(told, "…") {
				t.Errorf("the answer ends within a sentence: %q", told)
			}
			if answer := Answer(a)[0]; !strings.HasPrefix(lines[1], answer[:20]) {
				t.Errorf("the second line is %q, want the answer %q", lines[1], answer)
			}
			for _, whole := range []string{"kxlab report --all results/scratch/" + tt.name, ": not supported: no such kernel "} {
				if strings.Contains(strings.Join(strings.Fields(b.String()), " "), whole) == tt.brief {
					t.Errorf("brief is %v, and %q:\n%s", tt.brief, whole, b.String())
				}
			}
			for _, want := range []string{"Page: results/scratch/" + tt.name + "/report.html", "Rejected: ", "Cells without a number: 1 not supported; first: "} {
				if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), want) { // over lines
					t.Errorf("it does not say %q:\n%s", want, b.String())
				}
			}
		})
	}
}

// TestShortTables: a row of the baseline, the best of each class, and the verdict beside each.
func TestShortTables(t *testing.T) {
	a := verdict.Analyze(synthetic.Golden())
	var plain, colour bytes.Buffer
	if err := WriteShort(&plain, a, Short{}); err != nil {
		t.Fatal(err)
	}
	if err := WriteShort(&colour, a, Short{Colour: true}); err != nil {
		t.Fatal(err)
	}
	golden(t, "short.text", plain.Bytes())
	if !strings.Contains(plain.String(), "] ceiling\n") {
		t.Error("a ceiling has a verdict")
	}
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(colour.String(), "better\x1b[0m") {
		t.Errorf("colours: %q", colour.String())
	}
}

// TestAnswer: what is said of runs with enough trials and without, with differences and without.
func TestAnswer(t *testing.T) {
	run := func(repeats int, slow map[string]float64) *record.Run {
		r := synthetic.Spec{Seed: 1, Repeats: repeats, Noise: 0.005, Slow: slow}.Run()
		r.Env.Baseline = "iptables"
		return r
	}
	alone := run(5, nil)
	alone.Env.Baseline = "xdp-dsr"
	alone.Trials = harness.Filter(alone.Trials, func(t harness.Trial) bool { return t.Cell.Variant == "xdp-dsr" })
	worse := run(5, map[string]float64{"iptables-nft": 5, "nftables": 5, "tc-nat": 5, "xdp-nat": 50, "xdp-ipip": 50, "xdp-jet": 50, "tc-ipip": 50, "xdp-dsr": 50, "xdp-ipip+aa": 50})
	worse.Trials = harness.Filter(worse.Trials, func(t harness.Trial) bool { return t.Cell.Axis("services") == "1" })
	mixed := run(5, nil)
	for i := range mixed.Trials { // xdp-nat, which leads, takes long for first packets
		if tr := &mixed.Trials[i]; tr.Cell.Variant == "xdp-nat" && tr.Cell.Workload == "newflow" && tr.Cell.Axis("services") == "1" {
			tr.Result.Metrics = []harness.Metric{{Unit: "sec/pkt", Value: 1}}
		}
	}
	needs := func(of *record.Run) *record.Run {
		copied := *of
		r := &copied
		at := func(services string) []harness.AxisValue {
			return []harness.AxisValue{{Name: "services", Value: services}}
		}
		r.Env.Answers = []harness.Answer{{Need: "Many services", Workload: "newflow", Unit: "sec/pkt", Where: at("10000")}, {Need: "More than there are", Workload: "newflow", Unit: "sec/pkt", Where: at("30000")}, {Need: "One service", Workload: "pps", Unit: "pkt/s", Where: at("1")}}
		return r
	}
	nothing := run(5, nil)
	nothing.Trials = nil
	for _, tt := range []struct {
		what      string
		run       *record.Run
		want, not []string
	}{
		{"enough trials", run(5, nil), []string{
			"xdp-nat carries 4.7", "] as many packets/s as iptables; other classes, which do other work: xdp-dsr 6.", "Most is gained in newflow at services=10000, time per packet: iptables takes 72.0 times [71.3, 73.2] as long as xdp-nat.",
			"xdp-nat is shown worse in none of 7 comparisons.", "5 pairs of trials or more, at 93.8 %; one variant measured twice differs by up to"}, []string{"too few"}},
		{"one trial", run(1, nil), []string{"1 trial a cell: nothing here is called a difference or none.", "iptables 1.5", "xdp-nat 7.1"}, []string{"times", "in front", "better", "worse", "gained"}},
		{"three trials", run(3, nil), []string{"3 trials a cell: nothing here"}, []string{"times", "gained"}},
		{"all are worse", worse, []string{"No variant is shown better than iptables in any of "}, []string{"gained", "is shown worse in"}},
		{"a price elsewhere", mixed, []string{"xdp-nat is shown worse in 1 of 7 comparisons, such as newflow at services=1, time per packet: xdp-nat takes 6", "as long as iptables."}, nil},
		{"nothing beside the baseline", alone, []string{"There is no cell of xdp-dsr with another variant beside it"}, []string{"times"}},
		{"needs", needs(run(5, nil)), []string{"Many services: iptables takes 7", "] as long as xdp-nat, 2", " times as long as tc-nat", "; other classes, which do other work: 9", "as long as xdp-dsr (class dsr)", "One service: xdp-nat carries 4.7",
			"xdp-nat is shown worse in none of 7 comparisons."}, []string{"More than there are", "Most is gained"}},
		{"needs, all are worse", needs(worse), []string{"One service: all others are shown worse than iptables; the least so: iptables carries 3"}, []string{"Many services", "more than"}},
		{"needs, one trial", needs(run(1, nil)), []string{"1 trial a cell", "Many services: iptables 2", "One service: iptables 1.50 M pkt/s, iptables-nft 1.23"}, []string{"times", "better"}},
		{"nothing at all", nothing, []string{"Nothing was measured."}, nil},
	} {
		t.Run(tt.what, func(t *testing.T) {
			sentences := Answer(verdict.Analyze(tt.run))
			text := strings.Join(sentences, " ")
			for _, w := range tt.want {
				if !strings.Contains(text, w) {
					t.Errorf("it does not say %q: %s", w, text)
				}
			}
			for _, w := range tt.not {
				if strings.Contains(text, w) {
					t.Errorf("it says %q: %s", w, text)
				}
			}
			if len(sentences) > 5 {
				t.Errorf("%d sentences: %q", len(sentences), sentences)
			}
		})
	}
}

// TestAnswerKinds: a need with a price, one that is served wholly or not, and one about named variants.
func TestAnswerKinds(t *testing.T) {
	at := []harness.AxisValue{{Name: "services", Value: "1"}}
	chosen := harness.Answer{Need: "Packets", Workload: "pps", Unit: "pkt/s", Where: at}
	price := harness.Answer{Need: "The price", Workload: "newflow", Unit: "sec/pkt", Where: at, Price: true}
	whole := func(value float64) harness.Answer {
		return harness.Answer{Need: "packets", Workload: "pps", Unit: "pkt/s", Where: at, Whole: value}
	}
	named := harness.Answer{Need: "The two", Workload: "pps", Unit: "pkt/s", Where: at, Of: []string{"nftables", "tc-nat"}, Over: []string{"xdp-nat", "xdp-dsr"}}
	for _, tt := range []struct {
		what    string
		repeats int
		answers []harness.Answer
		change  func(*harness.Trial) // of each trial of workload pps
		want    []string
		not     string
	}{
		{"a price that is none", 5, []harness.Answer{chosen, price}, nil, []string{"The price: xdp-nat is not shown worse than iptables.", "xdp-nat is shown worse in none"}, ""},
		{"a price", 5, []harness.Answer{chosen, price}, func(tr *harness.Trial) {
			if tr.Cell.Variant == "xdp-nat" && tr.Cell.Workload == "newflow" {
				tr.Result.Metrics = []harness.Metric{{Unit: "sec/pkt", Value: 1}}
			}
		}, []string{"The price: xdp-nat takes 6", "xdp-nat is shown worse in 3 of 7 comparisons."}, "such as"},
		{"a price of one trial", 1, []harness.Answer{chosen, price}, nil, []string{"Packets: iptables"}, "price"},
		{"none reaches it", 5, []harness.Answer{whole(1)}, nil, []string{"No: packets: 0 of 9 variants reach 1e-06 M pkt/s in every trial; the others fall short, down to "}, "Yes"},
		{"one reaches it", 5, []harness.Answer{whole(9e6)}, func(tr *harness.Trial) {
			if tr.Cell.Variant == "nftables" || tr.Cell.Variant == "tc-nat" && tr.Repeat > 0 {
				tr.Result.Metrics = []harness.Metric{{Unit: "pkt/s", Value: 9e6}}
			}
		}, []string{"Yes: packets: 1 of 9 variants reach 9.00 M pkt/s in every trial (nftables); the others fall short"}, "No"},
		{"named variants", 5, []harness.Answer{named}, nil, []string{"The two: xdp-nat carries 4.", "] as many packets/s as nftables, and xdp-dsr carries 6.", "; xdp-nat carries ", " as many packets/s as tc-nat, and "}, "iptables"},
		{"named variants, one trial", 1, []harness.Answer{named}, nil, []string{"The two: nftables 1.", " M pkt/s, tc-nat 2."}, "times"},
	} {
		r := synthetic.Spec{Seed: 1, Repeats: tt.repeats, Noise: 0.005}.Run()
		r.Env.Baseline, r.Env.Answers = "iptables", tt.answers
		for i := range r.Trials {
			if tt.change != nil {
				tt.change(&r.Trials[i])
			}
		}
		text := strings.Join(Answer(verdict.Analyze(r)), " ")
		for _, w := range tt.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: it does not say %q: %s", tt.what, w, text)
			}
		}
		if tt.not != "" && strings.Contains(text, tt.not) {
			t.Errorf("%s: it says %q: %s", tt.what, tt.not, text)
		}
	}
}

// TestWeight: of runs that answer the same needs, one whose commit is known says more; one that answers more needs says more than both.
func TestWeight(t *testing.T) {
	weigh := func(commit string, answers ...harness.Answer) int {
		r := synthetic.Golden()
		r.Env.Commit, r.Env.Answers = commit, answers
		return Weight(verdict.Analyze(r))
	}
	packets, first := harness.Answer{Need: "p", Workload: "pps", Unit: "pkt/s"}, harness.Answer{Need: "f", Workload: "newflow", Unit: "sec/pkt"}
	one, known, two := weigh("", packets), weigh("c", packets), weigh("", packets, first)
	if !(one < known && known < two) {
		t.Errorf("%d, with a commit %d, with two needs %d", one, known, two)
	}
}

// TestShortRows: a table of three rows has the best variant that does the baseline's work, before the best of other classes.
func TestShortRows(t *testing.T) {
	b := newBoard(verdict.Analyze(synthetic.Golden()))
	for _, w := range b.workloads {
		names, left := b.rows(b.main[w][0], nil, 3)
		if len(names) != 3 || left == 0 || names[0] != "iptables" || !slices.Contains(names, "xdp-nat") {
			t.Errorf("%s: rows %q and %d left out, want iptables, xdp-nat and one of another class", w, names, left)
		}
	}
}

// TestWideInterval: an interval that ends far beyond a half and two is not written in percents.
func TestWideInterval(t *testing.T) {
	of := func(median, low, high float64) (v verdict.Against) {
		v.Effect.Median, v.Effect.Lo, v.Effect.Hi, v.Verdict = median, low, high, "~"
		return v
	}
	for _, c := range []struct {
		v           verdict.Against
		said, table string
	}{
		{of(0.885, 0.823, 1.2), "v takes 0.823 to 1.20 times as long as base", "-11.5 % [-17.7, +20.0]"},
		{of(0.885, 0.823, 340), "v takes 0.823 to 340 times as long as base", "x 0.885 [0.823, 340]"},
	} {
		if got := (effect{panel{unit: "p99-sec"}, harness.Variant{Name: "v"}, c.v}).text("base", false); got != c.said {
			t.Errorf("%q, want %q", got, c.said)
		}
		if got, _, _ := effectText(c.v, "p99-sec"); got != c.table {
			t.Errorf("%q, want %q", got, c.table)
		}
	}
}

// answered is a published run with the needs of the definition of its experiment.
func answered(t *testing.T, name string) *record.Run {
	t.Helper()
	r := opened(t, "../../results/"+name).Run
	e, err := experiments.Open(r.Env.Experiment, experiments.Vocabulary{})
	if err != nil {
		t.Fatal(err)
	}
	r.Env.Answers, r.Env.Baseline = e.Answers, e.Baseline
	return r
}

// TestShortNarrow: at 60 columns the answer is whole as long as there are lines for it, and a sequence in a record that a terminal would obey
// reaches none.
func TestShortNarrow(t *testing.T) {
	r := answered(t, "lb-quick")
	r.Env.Answers[0].Need = "Established\x1b[31m flows"
	r.Dir += "\x1b[32m"
	a := verdict.Analyze(r)
	var b bytes.Buffer
	if err := WriteShort(&b, a, Short{Width: leastWidth}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if n := strings.Count(text, "\n"); n > ShortLines || strings.Contains(text[:strings.Index(text, "\n\n")], "…") || strings.Contains(text, "\x1b") {
		t.Errorf("%d lines:\n%q", n, text)
	}
	for _, sentence := range Answer(a) {
		if want := strings.Join(strings.Fields(inLine(sentence)), " "); !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	var gate strings.Builder
	p := &printer{w: &gate}
	p.block("Gate", "a\x1b[31mb\n\tc\n")
	if gate.String() != "Gate\n  a[31mb\n  \tc\n\n" {
		t.Errorf("a block: %q", gate.String())
	}
}

// TestShortSubjects: the table of a need has a row for each variant that the sentence about it names.
func TestShortSubjects(t *testing.T) {
	for _, name := range []string{"lb-quick", "sched-five", "swap-exact", "cc-wide"} {
		a := verdict.Analyze(answered(t, name))
		b := newBoard(a)
		b.told = b.answer()
		text := strings.Join(b.tables(Short{Width: shortWidth}, 40), "\n")
		told := 0
		for _, n := range b.needs() {
			if !n.Price {
				told++
			}
			if told > mostNeeds { // the answer does not speak of it
				break
			}
			_, table, ok := strings.Cut("\n"+text, "\n"+n.Workload+" ")
			table, _, _ = strings.Cut(table, "\n\n")
			_, own, _ := b.cited(n.Workload)
			if n.Price && len(own) == 0 { // a price is named only of a variant that is shown better
				continue
			}
			if !ok || len(own) == 0 {
				t.Errorf("%s: no table of %s, %q:\n%s", name, n.Workload, own, text)
			}
			for _, v := range own {
				if !strings.Contains(table, "\n"+v+" ") {
					t.Errorf("%s: the table of %s lacks %s:\n%s", name, n.Workload, v, table)
				}
			}
		}
	}
}

// TestLegend: a legend explains the marks that the tables have, and no others.
func TestLegend(t *testing.T) {
	for repeats, want := range map[int]bool{1: false, 5: true} {
		r := synthetic.Spec{Seed: 1, Repeats: repeats, Noise: 0.02}.Run()
		r.Env.Baseline = "iptables"
		text := strings.Join(newBoard(verdict.Analyze(r)).tables(Short{Width: shortWidth}, 40), "\n")
		if strings.Contains(text, "[interval]") != want || !strings.Contains(text, "\nMedians") {
			t.Errorf("%d repeats:\n%s", repeats, text)
		}
	}
}
