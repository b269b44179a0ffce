// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/flame"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/verdict"
)

// stacksDir holds the flame graphs and pprof files of a run that sampled stacks.
const stacksDir = "stacks"

// A StackRow is a cell with the files of its profiles.
type StackRow struct {
	ID             string // on the page
	Cell           string // harness.Cell.BenchName
	Where, Variant string
	Links          []Link
	Notes          []string
}

// A stackFile is a picture or a pprof file that is to be written.
type stackFile struct {
	name  string
	write func(*bytes.Buffer) error
}

// stackFiles are the files of a run's profiles, and the rows that lead to them: a flame graph and a pprof file for each cell and kind,
// and a differential flame graph against the baseline, or else the first variant, of the same workload, axes and class. called is how variants
// are called instead of their names.
func stackFiles(a *verdict.Analysis, called map[string]string) (files []stackFile, rows []StackRow) {
	type place struct{ workload, axes, class string }
	cell := func(p profile.Profile) harness.Cell {
		c, _ := record.ParseCell(a.Run.Env.Experiment, p.Cell) // checked where it was read
		return c
	}
	used := map[string]int{}
	for _, same := range harness.GroupBy(a.Run.Stacks, func(p profile.Profile) place {
		c := cell(p)
		return place{c.Workload, c.AxesName(""), c.Class}
	}) {
		isBase := func(p profile.Profile) int { return boolInt(cell(p).Variant == a.BaselineOf()) }
		slices.SortStableFunc(same, func(x, y profile.Profile) int { return -cmp.Compare(isBase(x), isBase(y)) })
		for _, own := range harness.GroupBy(same, func(p profile.Profile) string { return p.Cell }) {
			c := cell(own[0])
			c.Variant = cmp.Or(called[c.Variant], c.Variant)
			row := StackRow{ID: fmt.Sprintf("stacks-%d", len(rows)+1), Cell: own[0].Cell, Where: c.At() + ", class " + c.Class, Variant: c.Variant}
			for _, p := range own {
				if len(p.Stacks) == 0 {
					continue
				}
				row.Notes = append(row.Notes, harness.Filter(p.Notes, func(n string) bool { return !slices.Contains(row.Notes, n) })...)
				stem := fileName(c, p.Kind, used)
				title := c.At() + ": " + c.Variant
				add := func(text, name string, write func(*bytes.Buffer) error) {
					files = append(files, stackFile{name, write})
					row.Links = append(row.Links, Link{text, stacksDir + "/" + name})
				}
				add(p.Kind, stem+".svg", func(b *bytes.Buffer) error { return flame.Draw(b, title, p) })
				base, ok := harness.Find(same, func(o profile.Profile) bool { return o.Kind == p.Kind && o.Cell == same[0].Cell && o.Cell != p.Cell })
				if ok && len(base.Stacks) > 0 {
					name := cell(base).Variant
					name = cmp.Or(called[name], name)
					add(p.Kind+" against "+name, stem+".against-"+safe(name)+".svg", func(b *bytes.Buffer) error {
						return flame.DrawDiff(b, title+" against "+name, name, c.Variant, base, p)
					})
				}
				add(p.Kind+" (pprof)", stem+".pb.gz", func(b *bytes.Buffer) error { return flame.WritePprof(b, p) })
			}
			rows = append(rows, row)
		}
	}
	return files, rows
}

// fileName is a name for the files of a cell's profile, which no other has.
func fileName(c harness.Cell, kind string, used map[string]int) string {
	name := safe(c.Workload+strings.ReplaceAll(c.AxesName(""), "/", ",")+"."+c.Variant) + "." + strings.ToLower(kind)
	if used[name]++; used[name] > 1 {
		name += fmt.Sprintf(".%d", used[name])
	}
	return name
}

// safe replaces what may not stand in a file's name or in a link.
func safe(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("=.,-_", r) || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, text)
}

// writeStacks writes files into a folder of a run directory.
func writeStacks(root *os.Root, dir string, files []stackFile) error {
	if len(files) == 0 {
		return nil
	}
	if err := root.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write stacks: %w", err)
	}
	folder, err := root.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("write stacks: %w", err)
	}
	defer folder.Close()
	errs := make([]error, len(files))
	var all sync.WaitGroup
	for i, f := range files {
		all.Go(func() {
			var b bytes.Buffer
			if errs[i] = f.write(&b); errs[i] == nil {
				errs[i] = record.WriteFile(folder, f.name, b.Bytes())
			}
		})
	}
	all.Wait()
	return harness.Wrap(harness.FirstLine(errors.Join(errs...)), "write stacks")
}

// WriteStackFiles writes the flame graphs and pprof files of a run into its directory, as Write does with the page. called is how variants are
// called instead of their names.
func WriteStackFiles(r *record.Run, called map[string]string) error {
	files, _ := stackFiles(verdict.Analyze(r), called)
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return fmt.Errorf("write stacks: %w", err)
	}
	defer root.Close()
	return writeStacks(root, stacksDir, files)
}

// WriteStackDiffs writes a differential flame graph for each cell and kind of which both runs sampled stacks, into the directory of the
// new one. a and b name the runs or, of a pair, the one variant that each has. It returns the folder, or "" if there are none.
func WriteStackDiffs(before, after *record.Run, a, b string, pair bool) (string, error) {
	var files []stackFile
	used := map[string]int{}
	for _, p := range after.Stacks {
		old, ok := harness.Find(before.Stacks, func(o profile.Profile) bool { return o.Cell == p.Cell && o.Kind == p.Kind })
		c, err := record.ParseCell(after.Env.Experiment, p.Cell)
		if !ok || err != nil || len(p.Stacks) == 0 && len(old.Stacks) == 0 {
			continue
		}
		text := fmt.Sprintf("%s, %s: %s against %s", c.At(), c.Variant, b, a)
		if pair { // both runs have it under A's name
			text, c.Variant = fmt.Sprintf("%s: B, %s, against A, %s", c.At(), b, a), "B-"+b
		}
		files = append(files, stackFile{fileName(c, p.Kind, used) + ".svg", func(out *bytes.Buffer) error { return flame.DrawDiff(out, text, a, b, old, p) }})
	}
	if len(files) == 0 {
		return "", nil
	}
	root, err := os.OpenRoot(after.Dir)
	if err != nil {
		return "", fmt.Errorf("write stacks: %w", err)
	}
	defer root.Close()
	dir := filepath.Join(stacksDir, "against-"+safe(a))
	return filepath.Join(after.Dir, dir), writeStacks(root, dir, files)
}
