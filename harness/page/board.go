// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A Claim is a row of the score board: what was said, what was measured, and the verdict.
type Claim struct {
	ID, Text, Source, There string        // There is what was really measured by the source
	URL                     string        // where the source is, https; or ""
	Said, Here              string        // ">= 6", "2.76 [2.70, 2.86]"
	Of                      string        // what the figures are a quotient of
	At                      string        // the conditions that both cells share: "pps services=1 rate=400000"
	Bar                     template.HTML // the interval against the claimed figure
	Verdict, Style, Why     string        // Style is a class of the page: good, bad, warn, none
}

// Claims are the claims that a run asked for: those whose cells it measured or tried to.
func Claims(a *verdict.Analysis) []Claim {
	return harness.Map(asked(a), NewClaim)
}

func asked(a *verdict.Analysis) []verdict.Finding {
	return harness.Filter(a.Findings, func(f verdict.Finding) bool { return f.Asked })
}

// NewClaim is the row of one finding.
func NewClaim(f verdict.Finding) Claim {
	c := Claim{ID: f.Claim.ID, Text: f.Claim.Text, Source: f.Claim.Source, There: f.Claim.Measured, Why: f.Why, Here: "-", Said: "-"}
	if strings.HasPrefix(f.Claim.URL, "https://") {
		c.URL = f.Claim.URL
	}
	if f.Claim.Worst != "" {
		c.Said, c.Of = "≤ "+f.Claim.Worst, fmt.Sprintf("worst %s in %s", harness.UnitFate, f.Claim.Numerator.Workload)
		for _, v := range f.Claim.Numerator.Where {
			c.Of += " " + v.Name + "=" + v.Value
		}
		if c.Verdict, c.Style = verdictOf(f); f.Ratio.N > 0 {
			c.Here = harness.Fate(f.Ratio.Median).String()
		}
		return c
	}
	if f.Claim.Cannot == "" {
		c.Said = map[string]string{">=": "≥ ", "<=": "≤ "}[f.Claim.Relation] + plain(f.Claim.Figure)
		c.At = sharedBy(f.Claim.Numerator, f.Claim.Denominator)
		c.Of = fmt.Sprintf("%s of %s over %s", unit.Words(f.Claim.Unit), selected(f.Claim.Numerator, f.Claim.Denominator), selected(f.Claim.Denominator, f.Claim.Numerator))
	}
	c.Verdict, c.Style = verdictOf(f)
	if f.Ratio.N > 0 {
		c.Here = unit.Beside(f.Ratio.Median, f.Claim.Figure)
		if f.Ratio.N > 1 {
			c.Here += fmt.Sprintf(" [%s, %s]", unit.Beside(f.Ratio.Lo, f.Claim.Figure), unit.Beside(f.Ratio.Hi, f.Claim.Figure))
		}
		c.Bar = bar(f, c.Style)
	}
	return c
}

// sharedBy is the workload and the axis values that both selectors have.
func sharedBy(a, b harness.CellSelector) string {
	var words []string
	for _, v := range a.Where {
		if slices.Contains(b.Where, v) {
			words = append(words, v.Name+"="+v.Value)
		}
	}
	if a.Workload == b.Workload {
		words = append([]string{a.Workload}, words...)
	}
	return strings.Join(words, " ")
}

// selected names a selector's variant, with the axis values that the other one lacks.
func selected(s, other harness.CellSelector) string {
	words := []string{s.Variant}
	for _, v := range s.Where {
		if !slices.Contains(other.Where, v) {
			words = append(words, v.Name+"="+v.Value)
		}
	}
	if s.Workload != other.Workload {
		words = append(words, "in", s.Workload)
	}
	return strings.Join(words, " ")
}

// verdictOf is a finding's verdict in words and its style. Too few trials are no verdict.
func verdictOf(f verdict.Finding) (text, style string) {
	switch {
	case f.Ratio.N == 1 && f.Claim.Worst == "":
		return "one trial", "none"
	case f.Ratio.N > 0 && f.Ratio.Confidence < stats.Enough:
		return "too few trials", "none"
	case f.Verdict == verdict.Shown:
		return "✓ " + f.Verdict, "good"
	case f.Verdict == verdict.Contradicted:
		return "✗ " + f.Verdict, "bad"
	case f.Verdict == verdict.NotShown:
		return "~ " + f.Verdict, "warn"
	}
	return f.Verdict, "none"
}

// The size of a bar in its own units.
const (
	barWidth  = 176.0
	barHeight = 30.0
)

// bar draws the interval of a quotient on a logarithmic scale, the claimed figure as an upright line, and shades the claim's side of it.
func bar(f verdict.Finding, style string) template.HTML {
	lo, mid, hi, said := f.Ratio.Lo, f.Ratio.Median, f.Ratio.Hi, f.Claim.Figure
	if f.Ratio.N == 1 {
		lo, hi = mid, mid
	}
	if !(lo > 0) || !(said > 0) || math.IsInf(hi, 0) || math.IsNaN(hi) {
		return ""
	}
	least, most := math.Log(min(lo, said, 1)), math.Log(max(hi, said, 1))
	pad := max(0.08*(most-least), 0.05)
	least, most = least-pad, most+pad
	at := func(v float64) float64 { return 4 + (barWidth-8)*(math.Log(v)-least)/(most-least) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s, claimed %s">`, barWidth, barHeight,
		template.HTMLEscapeString(unit.Digits(mid)), template.HTMLEscapeString(f.Claim.Relation+" "+plain(said)))
	from, to := at(said), barWidth
	if f.Claim.Relation == "<=" {
		from, to = 0, at(said)
	}
	fmt.Fprintf(&b, `<rect class="bar-side" x="%.1f" y="2" width="%.1f" height="16"/>`, from, to-from)
	fmt.Fprintf(&b, `<line class="bar-axis" x1="0" x2="%g" y1="18" y2="18"/><line class="bar-one" x1="%.1f" x2="%[2]f" y1="2" y2="18"/>`, barWidth, at(1))
	fmt.Fprintf(&b, `<line class="bar-said" x1="%.1f" x2="%[1]f" y1="1" y2="19"/>`, at(said))
	fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="7" width="%.1f" height="6"/>`, style, at(lo), max(1, at(hi)-at(lo)))
	fmt.Fprintf(&b, `<circle class="%s" cx="%.1f" cy="10" r="4.5"/>`, style, at(mid))
	text := func(v float64, anchor string, at float64) {
		fmt.Fprintf(&b, `<text class="bar-text" x="%.1f" y="28" text-anchor="%s">%s</text>`, at, anchor, plain(v))
	}
	said1, one := at(said), at(1)
	if said != 1 && math.Abs(said1-one) > 22 {
		text(1, anchorAt(one), one)
	}
	text(said, anchorAt(said1), said1)
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// plain writes a figure as it was claimed.
func plain(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// anchorAt keeps a text inside a bar.
func anchorAt(x float64) string {
	switch {
	case x < 14:
		return "start"
	case x > barWidth-14:
		return "end"
	}
	return "middle"
}

func claimGrid(claims []Claim) grid {
	g := grid{title: "Claims", head: []string{"claim", "said", "measured", "verdict", "quotient of"}}
	g.footer = "shown: the whole interval is on the claim's side of its figure; contradicted: all of it is on the other"
	for _, c := range claims {
		g.rows = append(g.rows, []string{c.ID, c.Said, c.Here, c.Verdict, c.Of})
		if c.Here == "-" && c.Why != "" {
			g.footer += "; " + c.ID + ": " + c.Why
		}
	}
	return g
}
