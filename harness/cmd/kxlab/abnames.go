// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness/bpfobj"
)

// namesOf is how the user named the variants of a pair's run: on target exact, where both sides run under A's name so that digits do not
// depend on it, of the side alone.
func (p *pair) namesOf(run, runs int) map[string]string {
	if runs == 2 {
		return map[string]string{p.a.Name: p.words[run]}
	}
	return map[string]string{p.a.Name: p.words[0], p.b.Name: p.words[1]}
}

// sidesOf are the sides of the variants of a run that has both, as one of several runs does not.
func (p *pair) sidesOf(runs int) map[string]string {
	if runs > 1 || p.single {
		return nil
	}
	return map[string]string{p.a.Name: "A", p.b.Name: "B"}
}

// beforeName finds what stands before a name in the lab's texts: the beginning, a comma or a colon, or one of its words. Others may be the
// verifier's, of which a name such as loop or s is part.
const beforeName = `(^|\n|[:;,"(] |\b(?:check|up|down|sync|variant|of|and|or|not|to|than|against|between|beside|for|by|scheduler|load|put|with) )`

// rename puts the user's words in the place of variants' names in a text: of each name that stands where the lab says one or in a cell's
// name, and of the names that schedulers have in the kernel.
func rename(text string, names map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(names)) {
		word := names[name]
		if name == word {
			continue
		}
		kernels := regexp.MustCompile(regexp.QuoteMeta(bpfobj.SchedPrefix(name)) + `[0-9]+\.[0-9]+`)
		text = kernels.ReplaceAllLiteralString(text, word)
		text = strings.ReplaceAll(text, "variant="+name+"/", "variant="+word+"/")
		text = replaceName(text, name, word)
	}
	return text
}

// A renamedError is an error in the user's words.
type renamedError struct {
	error
	text string
}

func (e renamedError) Error() string { return e.text }
func (e renamedError) Unwrap() error { return e.error }

// sideError names A and B in an error of a run of both by their sides and the user's words.
func (p *pair) sideError(err error) error {
	if err == nil {
		return nil
	}
	names := map[string]string{p.a.Name: "A, " + p.words[0], p.b.Name: "B, " + p.words[1]}
	return renamedError{err, rename(err.Error(), names)}
}

// replaceName puts a word in the place of a name where it stands by itself behind what stands before names.
func replaceName(text, name, word string) string {
	var out strings.Builder
	last := 0
	for _, at := range regexp.MustCompile(beforeName+`()`+regexp.QuoteMeta(name)).FindAllStringSubmatchIndex(text, -1) {
		if from, to := at[4], at[1]; to == len(text) || !inName(text[to]) {
			out.WriteString(text[last:from] + word)
			last = to
		}
	}
	return out.String() + text[last:]
}

// inName is true for what may be a part of a name or of a path.
func inName(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("_./-", c) >= 0
}
