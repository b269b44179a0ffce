// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// nasty is a name in which everything is markup somewhere.
const nasty = "[x] a|b <b>c</b> *d* _e_ __f `g` \\|h [i](http://j) [k][l] &lt;m ~~n~~ o_p_q\nr\x1b[31ms \\"

// shown is what Markdown makes of a line: its text, with a tab where cells of a table are parted, and the first piece of markup in it.
func shown(line string) (text, markup string) {
	var out strings.Builder
	for i := 0; i < len(line); i++ {
		rest := line[i:]
		switch c := line[i]; {
		case c == '\\' && len(rest) > 1 && strings.IndexByte("\\`*_[]<>~|&", rest[1]) >= 0:
			out.WriteByte(rest[1])
			i++
		case strings.HasPrefix(rest, "&lt;"):
			out.WriteByte('<')
			i += 3
		case strings.HasPrefix(rest, "&amp;"):
			out.WriteByte('&')
			i += 4
		case c == '|':
			out.WriteByte('\t')
		case strings.IndexByte("`*<~&", c) >= 0, strings.HasPrefix(rest, "]("), strings.HasPrefix(rest, "]["), strings.HasPrefix(rest, "]:"),
			c == '_' && (i == 0 || i+1 == len(line) || !wordRune(rune(line[i-1])) || !wordRune(rune(line[i+1]))):
			if markup == "" {
				markup = rest
			}
			fallthrough
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), markup
}

// TestShown: the test's own reader finds markup.
func TestShown(t *testing.T) {
	for line, want := range map[string]string{"a *b*": "*b*", "a_b": "", "_a": "_a", "[a](b)": "](b)", `\*a\* &lt;`: "", "a < b": "< b", "`a`": "`a`"} {
		if _, got := shown(line); got != want {
			t.Errorf("%q: markup %q, want %q", line, got, want)
		}
	}
	if text, _ := shown(`| a\|b | c |`); text != "\t a|b \t c \t" {
		t.Errorf("%q", text)
	}
}

// nastyAnswer is an answer in which every text is nasty.
func nastyAnswer(t *testing.T) AB {
	t.Helper()
	a, b := synthetic.ExactPair(1, 1.05, 0)
	c := mustCompareRuns(t, a, b)
	for i := range c.Rows {
		r := &c.Rows[i]
		r.Note, r.Cell.Axes = nasty, []harness.AxisValue{{Name: "at", Value: nasty}}
	}
	c.Missing = []verdict.Missing{{Cell: c.Rows[0].Cell, Name: nasty, Unit: "sec/op", Reason: nasty}}
	c.OnlyNew, c.Remarks, c.Gaps, c.Broken = []string{nasty}, []string{nasty}, []string{nasty}, []string{nasty}
	c.OldRun.Kernel, c.OldRun.CPU = nasty, nasty
	return AB{A: nasty, B: nasty, Comparison: c, Gates: []string{nasty}, Differences: []string{nasty}, Sizes: []Size{{Program: nasty, VerifiedA: 1}}}
}

// TestNastyNames: names and words of the verifier are shown as they are, in each format that has markup, and break no line of the others.
func TestNastyNames(t *testing.T) {
	ab := nastyAnswer(t)
	want := inLine(nasty)
	f := functionTable("cell", nasty, 10.)
	cause := Cause{Where: nasty, A: f, B: functionTable("cell", nasty, 20.), Shown: true, Programs: []profile.ProgramChange{{Name: nasty, A: profile.Program{Calls: 1, Each: 2}}}}
	laps := LapAnswer{A: nasty, B: nasty, Laps: []Lap{{At: nasty, A: 1, B: 2, Verdict: noDifference}}, Unit: "ns/pkt", Title: nasty, Footer: nasty, Gates: []string{nasty}, Differences: []string{nasty}}
	run := synthetic.Golden()
	run.Env.Gates[0].Passed, run.Env.Gates[0].Detail, run.Env.Gates[0].Variant = false, "log\n```\nmore", nasty
	run.Remarks = []string{nasty}
	run.Functions = []profile.Table{functionTable(run.Trials[0].Cell.BenchName(), nasty, 10.)}
	for name, write := range map[string]func(out *strings.Builder, format string) error{
		"ab": func(out *strings.Builder, format string) error { return WriteAB(out, ab, format) },
		"kernels": func(out *strings.Builder, format string) error {
			return WriteKernels(out, Kernels{Names: []string{nasty, "6.12"}, Answers: []AB{ab, ab}}, format)
		},
		"laps":    func(out *strings.Builder, format string) error { return WriteLaps(out, laps, format) },
		"cause":   func(out *strings.Builder, format string) error { return WriteCause(out, cause, format) },
		"note":    func(out *strings.Builder, format string) error { return WriteCause(out, Cause{Note: nasty}, format) },
		"compare": func(out *strings.Builder, format string) error { return WriteComparison(out, ab.Comparison, format) },
		"changes": func(out *strings.Builder, format string) error { return WriteChanges(out, ab.Comparison, format) },
		"run":     func(out *strings.Builder, format string) error { return WriteTables(out, verdict.Analyze(run), format) },
	} {
		var text, page strings.Builder
		if err := errors.Join(write(&text, "text"), write(&page, "markdown")); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := strings.Count(text.String(), want); n == 0 || strings.Contains(text.String(), "\x1b") || strings.Contains(text.String(), "o_p_q\n") {
			t.Errorf("%s, text: the name stands there %d times:\n%s", name, n, text.String())
		}
		checkMarkdown(t, name, page.String(), want)
	}
	var out strings.Builder
	var s junitSuite
	if err := errors.Join(WriteAB(&out, ab, "junit"), xml.Unmarshal([]byte(out.String()), &s)); err != nil {
		t.Fatal(err)
	}
	for _, k := range s.Cases {
		if text := fmt.Sprint(k.Name, k.Out, k.Failure, k.Skipped); !strings.Contains(text, "<b>c</b> *d* _e_ __f `g` \\|h") {
			t.Errorf("junit: %s", text)
		}
	}
}

// checkMarkdown checks that a page shows the name as it is, has no markup but its own, and that all rows of a table have as many cells as its head.
func checkMarkdown(t *testing.T, name, page, want string) {
	t.Helper()
	cells, found, block := 0, 0, ""
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		if mark := line[:len(line)-len(strings.TrimLeft(line, "`"))]; len(mark) >= 3 && (block == "" || block == mark) { // a block of text
			if block == "" {
				block = mark
			} else {
				block = ""
			}
			continue
		}
		if block != "" || strings.HasPrefix(line, "<details>") || strings.HasPrefix(line, "</details>") || strings.HasPrefix(line, "![") {
			continue
		}
		for _, prefix := range []string{"- ", "## ", "### "} {
			line = strings.TrimPrefix(line, prefix)
		}
		text, markup := shown(line)
		if strings.HasPrefix(line, "[x]") {
			markup = line
		}
		if markup != "" {
			t.Errorf("%s: markup %q in %q", name, markup, line)
		}
		if strings.Contains(text, want) {
			found++
		}
		switch n := strings.Count(text, "\t"); {
		case !strings.HasPrefix(line, "|"):
			cells = 0
		case cells == 0:
			cells = n
		case n != cells:
			t.Errorf("%s: %d cells, the head has %d: %q", name, n, cells, line)
		}
	}
	if found == 0 {
		t.Errorf("%s: the name is not shown as it is:\n%s", name, page)
	}
	if block != "" {
		t.Errorf("%s: a block of text does not end", name)
	}
}

// TestJUnitValues: each row has the values of both sides, and no p of 0.000.
func TestJUnitValues(t *testing.T) {
	a, b := synthetic.ExactPair(1, 1.05, 0)
	c := mustCompareRuns(t, a, b)
	small, large := 0.00002, 0.25
	for i := range c.Rows {
		c.Rows[i].Old.Median, c.Rows[i].New.Median, c.Rows[i].P = 1650.5, 1700.5, &small
	}
	c.Rows[0].P = &large
	for side, write := range map[string]func(out *strings.Builder) error{
		"A 1650.5, B 1700.5 ":     func(out *strings.Builder) error { return WriteAB(out, AB{A: "a", B: "b", Comparison: c}, "junit") },
		"old 1650.5, new 1700.5 ": func(out *strings.Builder) error { return WriteComparison(out, c, "junit") },
	} {
		var out strings.Builder
		var s junitSuite
		if err := errors.Join(write(&out), xml.Unmarshal([]byte(out.String()), &s)); err != nil || len(s.Cases) != len(c.Rows) {
			t.Fatal(err, len(s.Cases))
		}
		for i, k := range s.Cases {
			p := ", p<0.001"
			if i == 0 {
				p = ", p=0.250"
			}
			if !strings.Contains(k.Out, side) || !strings.HasSuffix(k.Out, p) {
				t.Errorf("%s: %q, want %q and %q", k.Name, k.Out, side, p)
			}
			if k.Failure != nil && k.Failure.Message != k.Out {
				t.Errorf("%s: %q", k.Name, k.Failure.Message)
			}
		}
	}
}

// TestNoControl: what HTML forbids in a name does not reach a page.
func TestNoControl(t *testing.T) {
	r := synthetic.Golden()
	r.Env.Title, r.Env.Commit, r.Env.Profile = nasty, "ab\x1b[31m", "x\x07"
	p, err := New(verdict.Analyze(r))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := p.Write(&text, Frame{}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text.String(), "\x1b\x07") || !strings.Contains(text.String(), "\n") {
		t.Error("a control character is on the page, or no end of a line is")
	}
}
