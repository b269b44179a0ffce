// SPDX-License-Identifier: Apache-2.0

package page

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// withStacks gives a run profiles of its baseline and of another variant, and returns their cells.
func withStacks(r *record.Run, base string) (cells [2]string) {
	for i := range r.Trials {
		c := r.Trials[i].Cell
		if c.Variant == base {
			cells[0] = c.BenchName()
			c.Variant = "an+other"
			cells[1] = c.BenchName()
			break
		}
	}
	for i, cell := range []string{cells[1], cells[0]} { // the baseline comes second
		for _, kind := range profile.Kinds() {
			p := profile.Profile{Cell: cell, Kind: kind, Unit: "ns", Window: 1e9, Period: 1000, Notes: []string{"3 samples are lost"}}
			if kind == profile.OnCPU || i == 0 {
				p.Stacks = []profile.Stack{{Folded: "gen;main;ip_rcv_[k]", Value: float64(1000 * (i + 1))}}
			}
			r.Stacks = append(r.Stacks, p)
		}
	}
	return cells
}

// TestCauseLinks: the rows of a cell lead to its functions and stacks on the page, those of others to none.
func TestCauseLinks(t *testing.T) {
	r := synthetic.Golden()
	r.Dir = t.TempDir()
	base := verdict.Analyze(r).BaselineOf()
	cells := withStacks(r, base)
	r.Functions = []profile.Table{functionTable(cells[0], "f", 10.)}
	path, err := Write(verdict.Analyze(r))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`<tr data-variant="([^"]+)"[^\n]*?</a> <a class="faint" href="#(functions-\d+)">functions</a> <a class="faint" href="#(stacks-\d+)">stacks</a><td>`)
	found := links.FindAllSubmatch(text, -1)
	if len(found) == 0 || strings.Count(string(text), `class="faint" href="#functions-`) != len(found) {
		t.Fatalf("%d rows lead to functions and stacks", len(found))
	}
	for _, m := range found {
		if string(m[1]) != base {
			t.Errorf("a row of %s leads to causes of %s", m[1], base)
		}
		for _, id := range m[2:] {
			if strings.Count(string(text), `id="`+string(id)+`"`) != 1 {
				t.Errorf("%s is not on the page once", id)
			}
		}
	}
}

// TestStackFiles: each profile has a picture and a pprof file, one against the baseline if both have stacks, and the page leads to them.
func TestStackFiles(t *testing.T) {
	r := synthetic.Golden()
	r.Dir = t.TempDir()
	base := verdict.Analyze(r).BaselineOf()
	withStacks(r, base)
	a := verdict.Analyze(r)
	path, err := Write(a)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join(r.Dir, stacksDir))
	if err != nil {
		t.Fatal(err)
	}
	// an+other has both kinds, the baseline one, and one kind is in both.
	if len(files) != 7 || strings.Count(string(text), "3 samples are lost") != 2 {
		t.Errorf("%d files: %v", len(files), files)
	}
	against := 0
	for _, f := range files {
		if !strings.Contains(string(text), `href="stacks/`+f.Name()+`"`) {
			t.Errorf("the page does not lead to %s", f.Name())
		}
		if strings.Contains(f.Name(), ".an-other.on-cpu.against-"+base+".svg") {
			against++
		}
	}
	if against != 1 {
		t.Errorf("none is against %s: %v", base, files)
	}
	if p, err := New(a); err != nil || len(p.Stacks) > 0 {
		t.Errorf("%v: a page that stands elsewhere leads to %v", err, p.Stacks)
	}
}

// TestWriteStackDiffs: a picture for each cell and kind that both runs have.
func TestWriteStackDiffs(t *testing.T) {
	before, after := synthetic.Golden(), synthetic.Golden()
	after.Dir = t.TempDir()
	base := verdict.Analyze(before).BaselineOf()
	if dir, err := WriteStackDiffs(before, after, "old", "new", false); err != nil || dir != "" {
		t.Errorf("two runs without stacks: %q, %v", dir, err)
	}
	withStacks(before, base)
	withStacks(after, base)
	if err := WriteStackFiles(after, nil); err != nil {
		t.Fatal(err)
	}
	if files, err := filepath.Glob(filepath.Join(after.Dir, "stacks", "*.pb.gz")); err != nil || len(files) == 0 {
		t.Errorf("pprof files: %q, %v", files, err)
	}
	before.Stacks = slices.DeleteFunc(before.Stacks, func(p profile.Profile) bool { return p.Kind == profile.OffCPU })
	dir, err := WriteStackDiffs(before, after, "HEAD^:a.c", "new", false)
	if err != nil || filepath.Base(dir) != "against-HEAD--a.c" {
		t.Fatalf("%q, %v", dir, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
}

// TestStackFilesOfPair: both sides of a pair, under one name in their runs and in one directory, have files and titles of their own.
func TestStackFilesOfPair(t *testing.T) {
	before, after := synthetic.Golden(), synthetic.Golden()
	base := verdict.Analyze(before).BaselineOf()
	withStacks(before, base)
	only := func(p profile.Profile) bool { return !strings.Contains(p.Cell, "variant="+base+"/") }
	before.Stacks = slices.DeleteFunc(before.Stacks, only)
	after.Stacks = before.Stacks
	before.Dir = t.TempDir()
	after.Dir = before.Dir
	dir, err := WriteStackDiffs(before, after, base, "HEAD:mine.c", true)
	err = errors.Join(err, WriteStackFiles(before, map[string]string{base: "A-" + base}), WriteStackFiles(after, map[string]string{base: "B-HEAD:mine.c"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ pattern, title string }{
		{"stacks/*.A-" + base + ".on-cpu.svg", ": A-" + base},
		{"stacks/*.B-HEAD-mine.c.on-cpu.svg", ": B-HEAD:mine.c"},
		{strings.TrimPrefix(dir, after.Dir) + "/*.B-HEAD-mine.c.on-cpu.svg", ": B, HEAD:mine.c, against A, " + base},
	} {
		files, err := filepath.Glob(filepath.Join(after.Dir, c.pattern))
		if err != nil || len(files) != 1 {
			t.Errorf("%s: %q, %v", c.pattern, files, err)
			continue
		}
		if text, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(text), c.title+"<") {
			t.Errorf("%s does not have the title %s: %v", files[0], c.title, err)
		}
	}
}
