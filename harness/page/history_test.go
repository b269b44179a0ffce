// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/history"
	"github.com/kxlab/kxlab/harness/plot"
)

// past is an invented line of commits with one step.
func past() history.Line {
	var l history.Line
	for i := range 6 {
		s := history.Series{Cell: "LB/workload=pps/class=nat/variant=xdp-nat/flows=64", Unit: "insn/pkt"}
		values := []float64{1000, 1001}
		if i >= 3 {
			values = []float64{1100, 1101}
		}
		r := history.Run{Setting: history.Setting{Experiment: "lb", Target: "exact"}, Better: map[string]int{s.Unit: -1}, Values: map[history.Series][]float64{s: values}}
		l.Entries = append(l.Entries, history.Entry{Commit: fmt.Sprintf("%010x%030x", i, i), Subject: "a <b> & c", Runs: []history.Run{r}})
		l.Place = append(l.Place, 10*i)
	}
	return l
}

// TestHistory: a step is named with its range of commits in each format, a cell as people name it, and the curve is a picture and
// a chart.
func TestHistory(t *testing.T) {
	l := past()
	changes := l.Changes(history.Options{})
	for _, format := range []string{"text", "markdown", "json"} {
		var b bytes.Buffer
		if err := WriteHistory(&b, l, changes, format, false); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"0000000003", "worse"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: it does not say %q:\n%s", format, want, b.String())
			}
		}
		if format == "text" && !strings.Contains(b.String(), "one of 10 commits after 0000000002") || strings.Contains(b.String(), "BADINDEX") {
			t.Errorf("%s: %s", format, b.String())
		}
	}
	v := NewHistory(l, changes)
	if len(v.Drawn) != 1 || v.Drawn[0].Title != "lb on exact: pps xdp-nat flows=64, insn/pkt" || len(v.Changes) != 1 {
		t.Fatalf("%+v", v)
	}
	svg := string(v.Drawn[0].SVG)
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil || strings.Contains(svg, "%!") || strings.Count(svg, "<circle") != 6 || strings.Count(svg, "curve-step") != 1 {
		t.Errorf("%v: %s", err, svg)
	}
	if c := v.Drawn[0].Chart; len(c.Lines) != 1 || len(c.Lines[0].Y) != 6 || !c.X.Commits || !slices.Equal(c.Marks[0].X, plot.Values{2.5}) {
		t.Errorf("the chart %+v", c)
	}
	if commits, err := v.Commits(); err != nil || !strings.Contains(string(commits), `["0000000003","a \u003cb\u003e \u0026 c"]`) {
		t.Errorf("%s, %v", commits, err)
	}
	if got := v.Drawn[0].Changes; len(got) != 1 || got[0].To != "#"+v.Changes[0].ID {
		t.Errorf("links of the curve: %+v", got)
	}
	zero := past()
	for i, e := range zero.Entries {
		for s := range e.Runs[0].Values {
			e.Runs[0].Values[s] = []float64{float64(5 * (i / 3)), float64(5 * (i / 3))}
		}
	}
	changes = zero.Changes(history.Options{})
	if c := NewHistory(zero, changes).Drawn[0].Chart; c.Y.Min != 0 {
		t.Errorf("the axis of a count begins at %v", c.Y.Min)
	}
	for format, want := range map[string]string{"text": "from 0", "json": `"effect": null`} {
		var b bytes.Buffer
		if err := WriteHistory(&b, zero, changes, format, false); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%s: %v, it does not say %q:\n%s", format, err, want, b.String())
		}
	}
	odd := []history.Change{{At: 1, Environment: []string{"kernel a → b"}}, {At: 2, Since: 1, Vanished: make([]history.Series, 5)}, {At: 5, Drift: true, Lab: []string{"c → d"}}}
	for all, want := range map[bool]string{false: "… (--all)", true: "no step, and no series vanished"} {
		var b bytes.Buffer
		if err := WriteHistory(&b, past(), odd, "text", all); err != nil || !strings.Contains(b.String(), want) || strings.Count(b.String(), "before") > 1 ||
			all == strings.Contains(b.String(), "--all") || !strings.Contains(b.String(), "a drift over 50 commits") || !strings.Contains(b.String(), "the lab changed, too: c → d") {
			t.Errorf("all %v: %v, it does not say %q:\n%s", all, err, want, b.String())
		}
	}
	gone := past()
	vanished := history.Change{At: 1, Vanished: []history.Series{{Cell: "A", Unit: "u"}}, Renamed: map[string]string{"A": "B"}}
	if g := changeGrid(gone, vanished, false); !strings.Contains(g.footer, "1 series vanished: A u; B, which is new, has all figures of A") {
		t.Errorf("what vanished: %q", g.footer)
	}
	// Another experiment, measured at every other commit, has its step at the same one.
	for _, i := range []int{1, 3} {
		r := l.Entries[i].Runs[0]
		r.Experiment = "sched"
		l.Entries[i].Runs = append(l.Entries[i].Runs, r)
	}
	if v := NewHistory(l, l.Changes(history.Options{})); len(v.Changes) != 2 || v.Changes[0].ID == v.Changes[1].ID {
		t.Errorf("two changes at one commit: %+v", v.Changes)
	}
	if empty := NewHistory(history.Line{}, nil); !strings.Contains(empty.Answer, "nothing changed") {
		t.Errorf("an empty history: %+v", empty)
	}
}
