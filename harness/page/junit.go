// SPDX-License-Identifier: Apache-2.0

package page

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/verdict"
)

type junitMessage struct {
	Message string `xml:"message,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Out     string        `xml:"system-out,omitempty"` // the values of a row
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

// writeJUnit writes a case for each row and each missing cell and unit, one for a new run that is incomplete, and one if no row was
// judged. Worse and missing are failures; rows without a verdict, and what is missing where that is allowed, are skipped. Each row has the
// values of both sides, which are called so. One more case may be given.
func writeJUnit(w io.Writer, c *verdict.Comparison, sides [2]string, more *junitCase) error {
	s := junitSuite{Name: "kxlab " + c.OldRun.Experiment + " on " + c.OldRun.Target, Failures: c.Count(verdict.Worse)}
	lack := func(class, name, message string) {
		k := junitCase{Class: class, Name: name}
		if c.Options.AllowMissing {
			k.Skipped = &junitMessage{message}
			s.Skipped++
		} else {
			k.Failure = &junitMessage{message}
			s.Failures++
		}
		s.Cases = append(s.Cases, k)
	}
	for _, m := range c.Missing {
		lack(m.Cell.Experiment+"."+m.Cell.Workload, m.Name+" "+m.Unit, "missing: "+m.Why())
	}
	if c.Incomplete != "" {
		lack(c.OldRun.Experiment, "the new run", c.Incomplete)
	}
	if c.Blind() {
		lack(c.OldRun.Experiment, "the gate", "no row was judged: "+c.Summary())
	}
	for _, r := range c.Rows {
		k := junitCase{Class: r.Cell.Experiment + "." + r.Cell.Workload, Name: r.Name + " " + r.Unit, Out: rowText(r, sides)}
		switch r.Verdict {
		case verdict.Worse:
			k.Failure = &junitMessage{k.Out}
		case verdict.TooFew, verdict.OneTrial, verdict.NoSeed, verdict.NotKnown:
			k.Skipped = &junitMessage{strings.TrimSuffix(r.Verdict+": "+r.Note, ": ")}
			s.Skipped++
		}
		s.Cases = append(s.Cases, k)
	}
	if more != nil {
		s.Cases = append(s.Cases, *more)
		s.Failures += boolInt(more.Failure != nil)
		s.Skipped += boolInt(more.Skipped != nil)
	}
	s.Tests = len(s.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// rowText is a row in a line: what became of it, the values of both sides, their difference with its interval, and p.
func rowText(r verdict.Row, sides [2]string) string {
	before, after := rowValues(r, fine)
	if r.Compare == harness.CompareWord {
		return fmt.Sprintf("%s: %s %s, %s %s", verdictText(r), sides[0], before, sides[1], after)
	}
	text := fmt.Sprintf("%s: %s %s, %s %s %s, %s%s", verdictText(r), sides[0], before, sides[1], after, r.Unit, deltaText(r), intervalText(r))
	switch p := pText(r); {
	case r.P == nil:
		return text
	case strings.HasPrefix(p, "<"):
		return text + ", p" + p
	default:
		return text + ", p=" + p
	}
}
