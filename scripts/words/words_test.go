// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

// TestPlantedFaults: each rule finds its fault, with the right line, and passes the sentence beside it that looks alike.
func TestPlantedFaults(t *testing.T) {
	long := strings.Repeat("word ", longest)
	for _, c := range []struct {
		rule, file, bad, good string
	}{
		{"subject", "a.md", "Who waits longest runs first.", "Who waits longest?"},
		{"subject", "a.md", "What the guest reads is its task.", "The guest reads its task."},
		{"subject", "a.md", "- A task runs. Whatever it takes is charged.", "- A task runs. Its time is charged."},
		{"subject", "a.md", "Where the gain comes from is known.", "Where a queue is managed, the other router only delays."},
		{"subject", "a.md", "How long a trial takes is recorded.", "How long does a trial take?"},
		{"subject", "a.md", "The run ends. It keeps its record.", "The run ends. Its record is kept."},
		{"subject", "a.go", "// What was found.", "// What was found?"},
		{"subject", "a.h", "/* Who is chosen. */", "/* The chosen task. */"},
		{"subject", "a.c", "int x; // Where it was decided.", "int x; // the place of the decision"},
		{"person", "a.md", "A task that nobody runs waits.", "A task that does not run waits."},
		{"person", "a.c", "// somebody else holds the lock", "// another task holds the lock"},
		{"diary", "a.md", "The figures were better today.", "The figures have a date."},
		{"diary", "a.md", "It turned out that the cache was cold.", "The cache was cold."},
		{"diary", "a.md", "Since then, we tried larger buffers.", "Larger buffers have no effect."},
		{"diary", "a.md", "Profile quick now has 53 trials.", "Profile quick has 53 trials. `now` is a word in code."},
		{"filler", "a.md", "The figure is very small.", "The figure is 3."},
		{"negation", "a.md", "A miss is not uncommon.", "A miss is common."},
		{"negation", "a.md", "There is no packet that is not counted.", "Every packet is counted."},
		{"negation", "a.md", "There is nothing in the guest but the binary.", "The guest has the binary only."},
		{"term", "a.md", "Counted are forced switches.", "Counted are involuntary context switches."},
		{"term", "a.md", "| tasks | foretold |", "| tasks | predicted |"},
		{"term", "a.go", "// A late wake-up is a wait.", "// A late wakeup is a wait."},
		{"length", "a.md", long + "ends.", strings.Replace(long, "word ", "Word. ", 20) + "ends."},
		{"link", "a.md", "See [b](b.md).", "See [a](a.md) and [site](https://example.org/b.md)."},
		{"link", "a.md", "# Words of `X`\n\n[here](#words)", "# Words of `X`\n\n[here](#words-of-x)"},
		{"link", "docs/a.md", "[up](../b.md#top)", "[up](../there.md#the-top)"},
		{"link", "results/site/a.html", `<a href="gone.html">gone</a>`, `<a href="a.html">itself</a>`},
		{"link", "results/site/a.html", `<p id="x"></p><a href="a.html#y">y</a>`, `<p id="x"></p><a href="a.html#x">x</a>`},
		{"link", "results/site/a.html", `<img src="https://example.org/i.png">`, `<a href="https://example.org/" rel="external">a source</a>`},
		{"mention", "a.go", "// See docs/gone.md.", "// See docs/there.md, and experiments/NAME.md for yours."},
		{"page", "experiments/a.md", strings.Repeat("A line.\n", 66), strings.Repeat("A line.\n", 65)},
		{"page", "README.md", strings.Repeat("A line.\n", 101), strings.Repeat("A line.\n", 100)},
	} {
		if found := lint(t, c.file, "\n"+c.bad+"\n"); !strings.Contains(found, " "+c.rule+": ") {
			t.Errorf("%s: %q passes: %q", c.rule, c.bad, found)
		}
		good := c.good + "\n"
		if c.rule == "page" {
			good = c.good
		}
		if found := lint(t, c.file, good); found != "" {
			t.Errorf("%s: %q is found: %q", c.rule, c.good, found)
		}
	}
}

// TestCodeIsNoProse: code, its comments in Markdown, and names in backquotes are not judged.
func TestCodeIsNoProse(t *testing.T) {
	for _, text := range []string{
		"```c\nvery(nobody); // What it is.\n```\n",
		"Text.\n\n    make bench   # today, very long\n",
		"Call `nobody()`.\n",
	} {
		if found := lint(t, "a.md", text); found != "" {
			t.Errorf("%q: %s", text, found)
		}
	}
	if found := lint(t, "a.go", "//go:generate What\n\nvar s = \"// What nobody\"\n"); found != "" {
		t.Error(found)
	}
}

// TestLines: a finding names the line on which its sentence begins.
func TestLines(t *testing.T) {
	const text = "# Title\n\nThe first. The second\nline. A good one\nhere. What\nis bad.\n"
	if found := lint(t, "a.md", text); !strings.HasPrefix(found, "a.md:5: subject: ") {
		t.Error(found)
	}
}

func lint(t *testing.T, file, text string) string {
	t.Helper()
	root := fstest.MapFS{
		"there.md":      {Data: []byte("# The top\n")},
		"docs/there.md": {Data: []byte("# There\n")},
		file:            {Data: []byte(text)},
	}
	findings, err := check(root, []string{file})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range findings {
		out = append(out, f.String())
	}
	return strings.Join(out, "\n")
}
