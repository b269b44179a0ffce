// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kxlab/kxlab/harness/record/synthetic"
)

var update = flag.Bool("update", false, "write the table of docs/statistics.md anew")

const (
	statisticsDoc = "../../docs/statistics.md"
	tableBegin    = "<!-- table: go test ./harness/verdict -run TestSimulation -update -->\n"
	tableEnd      = "<!-- end of table -->"

	nullPairs    = 2004 // without a change, over all shapes
	plantedPairs = 50   // for each shape and change
	mostAlarms   = 0.05 // of comparisons without a change
)

// simulated is what became of the comparisons of one shape.
type simulated struct {
	shape        synthetic.Shape
	alarms, null int
	found        []float64 // share of the changed rows found, by change
}

var plantedChanges = []float64{0.01, 0.02, 0.05, 0.1}

// TestSimulation: of comparisons of runs that do not differ at most one of 20 calls any row different, whatever the shape of the
// noise, and planted changes are found as often as docs/statistics.md says.
func TestSimulation(t *testing.T) {
	results := make([]simulated, len(synthetic.Shapes()))
	var wg sync.WaitGroup
	for i, shape := range synthetic.Shapes() {
		wg.Go(func() { results[i] = simulate(t, shape) })
	}
	wg.Wait()
	alarms, null := 0, 0
	for _, r := range results {
		alarms, null = alarms+r.alarms, null+r.null
		if float64(r.alarms) > mostAlarms*float64(r.null) {
			t.Errorf("%s: %d of %d comparisons without a change alarm", r.shape, r.alarms, r.null)
		}
	}
	t.Logf("%d of %d comparisons without a change alarm", alarms, null)
	table := tableOf(results)
	raw, err := os.ReadFile(statisticsDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), tableBegin)
	old, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks of the table", statisticsDoc)
	}
	if *update {
		if err := os.WriteFile(statisticsDoc, []byte(before+tableBegin+table+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !agree(old, table) {
		t.Errorf("%s says\n%s\nand the simulation\n%s", statisticsDoc, old, table)
	}
}

func simulate(t *testing.T, shape synthetic.Shape) simulated {
	out := simulated{shape: shape, null: nullPairs / len(synthetic.Shapes())}
	compare := func(seed int, change float64) *Comparison {
		old, new := synthetic.Pair{Shape: shape, Seed: uint64(seed), Change: change}.Runs()
		c, err := Compare(old, new, CompareOptions{})
		if err != nil {
			t.Error(err)
			return &Comparison{}
		}
		return c
	}
	for seed := range out.null {
		if c := compare(seed, 0); c.Count(Better)+c.Count(Worse) > 0 {
			out.alarms++
		}
	}
	for i, change := range plantedChanges {
		found, rows := 0, 0
		for seed := range plantedPairs {
			for _, r := range compare(100000*(i+1)+seed, change).Rows {
				if r.Cell.Variant != synthetic.Changed {
					continue
				}
				if rows++; r.Verdict == Worse {
					found++
				}
			}
		}
		out.found = append(out.found, float64(found)/float64(rows))
	}
	return out
}

func tableOf(results []simulated) string {
	var b strings.Builder
	b.WriteString("| noise | false alarms |")
	for _, c := range plantedChanges {
		fmt.Fprintf(&b, " +%.0f %% found |", 100*c)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(plantedChanges)) + "\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %d of %d |", r.shape, r.alarms, r.null)
		for _, f := range r.found {
			fmt.Fprintf(&b, " %.0f %% |", 100*f)
		}
		b.WriteString("\n")
	}
	return b.String()
}

var number = regexp.MustCompile(`[0-9]+`)

// agree reports whether two tables have the same words, and numbers that differ by at most two: processors round differently.
func agree(a, b string) bool {
	if number.ReplaceAllString(a, "#") != number.ReplaceAllString(b, "#") {
		return false
	}
	x, y := number.FindAllString(a, -1), number.FindAllString(b, -1)
	for i := range x {
		m, _ := strconv.Atoi(x[i]) // digits only
		n, _ := strconv.Atoi(y[i])
		if m-n > 2 || n-m > 2 {
			return false
		}
	}
	return true
}
