// SPDX-License-Identifier: Apache-2.0

package page

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/plot"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
)

// recorded writes an invented run down and returns its directory.
func recorded(t *testing.T) string {
	t.Helper()
	src := synthetic.Golden()
	dir := filepath.Join(t.TempDir(), "run")
	w, err := record.Create(dir, src.Env)
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range src.Trials[:60] {
		if err := w.Trial(tr); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestPreparedReport: links in a run directory that another user prepared lead nowhere.
func TestPreparedReport(t *testing.T) {
	const precious = "precious"
	elsewhere := t.TempDir()
	victim := filepath.Join(elsewhere, "victim")
	untouched := func() {
		t.Helper()
		names, err := os.ReadDir(elsewhere)
		if got, _ := os.ReadFile(victim); err != nil || len(names) != 1 || string(got) != precious {
			t.Errorf("elsewhere: %v, victim %q, %v", names, got, err)
		}
	}
	if err := os.WriteFile(victim, []byte(precious), 0o644); err != nil {
		t.Fatal(err)
	}

	dir := recorded(t)
	if err := os.Symlink(elsewhere, filepath.Join(dir, plotsDir)); err != nil {
		t.Fatal(err)
	}
	if _, err := generate(dir); err == nil {
		t.Error("plots that lead elsewhere are no error")
	}
	untouched()

	dir = recorded(t)
	if err := os.Mkdir(filepath.Join(dir, plotsDir), 0o755); err != nil {
		t.Fatal(err)
	}
	first := synthetic.Golden().Env.Plots[0].Name + ".svg"
	for _, name := range []string{pageFile, filepath.Join(plotsDir, first)} {
		if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := generate(dir); err != nil {
		t.Error(err)
	}
	untouched()
	if info, err := os.Lstat(filepath.Join(dir, plotsDir, first)); err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o644 {
		t.Errorf("%s: %v, %v", first, info, err)
	}
}

// TestPlotNameOutside: writing plots does not trust that reading has checked their names.
func TestPlotNameOutside(t *testing.T) {
	r := synthetic.Golden()
	r.Env.Plots[0].Name = "../x"
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	plots, _, err := plot.Plots(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := plot.Write(plots, root, plotsDir); err == nil {
		t.Error("a plot outside its folder is no error")
	}
	if got, _ := filepath.Glob(filepath.Join(dir, "x*")); len(got) > 0 {
		t.Errorf("written: %v", got)
	}
}

func TestDollarInTitle(t *testing.T) {
	got := string(palette{}.inline(plot.Plot{Title: "costs $1 and <more>", SVG: []byte(`<?xml?><svg width="3pt" height="4pt" viewBox="0 0 3 4">`)}, nil))
	if want := `<svg role="img" aria-label="costs $1 and &lt;more&gt;" viewBox="0 0 3 4">`; strings.TrimSpace(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestCommitText: a page says which commit made the run, that there were changes, or that the commit is not known.
func TestCommitText(t *testing.T) {
	const hash = "0123456789abcdef0123456789abcdef01234567"
	for commit, want := range map[string]string{
		"": "commit not known", hash: "commit 0123456789ab", "short": "commit short",
		hash + "+dirty": "commit 0123456789ab with changes that were not committed",
	} {
		if got := commitText(commit); got != want {
			t.Errorf("%q: %q, want %q", commit, got, want)
		}
	}
}
