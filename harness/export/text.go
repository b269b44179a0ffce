// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/history"
	"github.com/kxlab/kxlab/harness/record"
)

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// writeBench writes the Go benchmark format (golang.org/design/14313-benchmark-format), as the files of a history are. The format has no
// place for what is missing.
func writeBench(w io.Writer, runs []Run, _ Options) error {
	for i, r := range runs {
		if i > 0 { // file keys hold until they are set anew
			if _, err := io.WriteString(w, "\ncommit:\nparents:\ncommitted:\nsubject:\n"); err != nil {
				return err
			}
		}
		e := r.Commit
		e.Runs = []history.Run{r.Run}
		if err := e.Write(w); err != nil {
			return err
		}
	}
	return nil
}

// writeCSV writes a line for each value and one for each that is missing (RFC 4180).
func writeCSV(w io.Writer, runs []Run, _ Options) error {
	cw := csv.NewWriter(w)
	write := func(fields ...string) { _ = cw.Write(fields) } // Error has the error
	write("commit", "committed", "subject", "experiment", "target", "kernel", "qemu", "cpu", "profile", "seed", "workload", "class", "variant", "axes", "repeat", "unit",
		"better", "value", "outcome", "reason")
	for _, r := range runs {
		committed := ""
		if !r.Commit.Committed.IsZero() {
			committed = r.Commit.Committed.UTC().Format(time.RFC3339)
		}
		line := func(c harness.Cell, repeat, unit, value, outcome, reason string) {
			write(r.Commit.Commit, committed, r.Commit.Subject, r.Experiment, r.Target, r.Kernel, r.QEMU, r.CPU, r.Profile, strconv.FormatUint(r.Seed, 10), c.Workload, c.Class,
				c.Variant, c.AxesText(), repeat, unit, r.better(unit), value, outcome, reason)
		}
		rows, err := r.rows()
		if err != nil {
			return err
		}
		for _, s := range rows {
			for i, v := range s.values {
				line(s.Cell, strconv.Itoa(s.repeats[i]), s.Unit, number(v), string(harness.OutcomeMeasured), "")
			}
		}
		for _, m := range r.Missing {
			c, err := record.ParseCell(r.Experiment, m.Cell)
			if err != nil {
				return fmt.Errorf("export: %w", err)
			}
			repeat := ""
			if m.Repeat >= 0 {
				repeat = strconv.Itoa(m.Repeat)
			}
			line(c, repeat, m.Unit, "", m.Outcome, m.Reason)
		}
	}
	cw.Flush()
	return cw.Error()
}

// A family of OpenMetrics: its name, its kind, what it means, and its samples.
type family struct {
	name, kind, help string
	samples          bytes.Buffer
}

// writeOpenMetrics writes the text format of OpenMetrics 1.0 (prometheus.io/docs/specs/om/open_metrics_spec): a gauge for each unit, with
// the median of the trials of a cell, how many trials stand behind it, and what became of cells without a number. Samples of a history
// have the times of their commits.
func writeOpenMetrics(w io.Writer, runs []Run, o Options) error {
	var all []*family
	at := map[string]*family{}
	get := func(name, kind, help string) *family {
		if at[name] == nil {
			at[name] = &family{name: name, kind: kind, help: help}
			all = append(all, at[name])
		}
		return at[name]
	}
	trials := get("kxlab_cell_trials", "gauge", "Trials behind the median of a cell and unit.")
	missing := get("kxlab_cell_unmeasured", "info", "Cells without a number, and what became of them.")
	names := newNames()
	for _, r := range runs {
		stamp := ""
		if t := r.Commit.Committed; !t.IsZero() && !o.WithoutTimes {
			stamp = " " + strconv.FormatInt(t.Unix(), 10)
		}
		rows, err := r.rows()
		if err != nil {
			return err
		}
		for _, s := range rows {
			labels := r.labels(s.Cell, "unit", s.Unit)
			if err := names.add(labels); err != nil {
				return err
			}
			help := "Median of the trials, in " + s.Unit + "."
			if b := r.better(s.Unit); b != "" {
				help += " Better: " + b + "."
			}
			f := get("kxlab_"+strings.ReplaceAll(word(strings.ReplaceAll(s.Unit, "/", "_per_")), "-", "_"), "gauge", help)
			fmt.Fprintf(&f.samples, "%s{%s} %s%s\n", f.name, labels, number(s.median()), stamp)
			fmt.Fprintf(&trials.samples, "%s{%s} %d%s\n", trials.name, labels, len(s.values), stamp)
		}
		for _, m := range r.Missing {
			c, err := record.ParseCell(r.Experiment, m.Cell)
			if err != nil {
				return fmt.Errorf("export: %w", err)
			}
			if m.Repeat < 0 && m.Unit == "" {
				fmt.Fprintf(&missing.samples, "%s_info{%s} 1%s\n", missing.name, r.labels(c, "outcome", m.Outcome), stamp)
			}
		}
	}
	var b bytes.Buffer
	for _, f := range all {
		if f.samples.Len() > 0 {
			fmt.Fprintf(&b, "# TYPE %s %s\n# HELP %[1]s %[3]s\n%[4]s", f.name, f.kind, escape(f.help), f.samples.Bytes())
		}
	}
	b.WriteString("# EOF\n")
	_, err := w.Write(b.Bytes())
	return err
}

// labels are those of a cell of the run, and one more.
func (r Run) labels(c harness.Cell, name, value string) string {
	pairs := [][2]string{{"commit", r.Commit.Commit}, {"experiment", r.Experiment}, {"target", r.Target}, {"kernel", r.Kernel}, {"qemu", r.QEMU}, {"cpu", r.CPU},
		{"profile", r.Profile}, {"seed", strconv.FormatUint(r.Seed, 10)}, {"workload", c.Workload}, {"class", c.Class}, {"variant", c.Variant}}
	for _, a := range c.Axes {
		pairs = append(pairs, [2]string{"axis_" + word(a.Name), a.Value})
	}
	pairs = append(pairs, [2]string{name, value})
	var out []string
	for _, p := range pairs {
		if p[1] != "" { // an empty label is none
			out = append(out, p[0]+`="`+escape(p[1])+`"`)
		}
	}
	return strings.Join(out, ",")
}

// word is text as part of a name: letters, digits and underscores.
func word(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, text)
}

// escape is text within quotes or behind HELP.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(text, "\ufffd"))
}
