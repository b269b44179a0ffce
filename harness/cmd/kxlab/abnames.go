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

// rename puts the user's words in the place of variants' names in a text: of each name that stands by itself or in a cell's name, and of
// the names that schedulers have in the kernel.
func rename(text string, names map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(names)) {
		word := names[name]
		if name == word {
			continue
		}
		kernels := regexp.MustCompile(regexp.QuoteMeta(bpfobj.SchedPrefix(name)) + `[0-9]+\.[0-9]+`)
		text = kernels.ReplaceAllLiteralString(text, word)
		text = strings.ReplaceAll(text, "variant="+name+"/", "variant="+word+"/")
		alone := regexp.MustCompile(`(^|[^A-Za-z0-9_./-])` + regexp.QuoteMeta(name) + `($|[^A-Za-z0-9_./-])`)
		text = alone.ReplaceAllStringFunc(text, func(found string) string {
			m := alone.FindStringSubmatch(found)
			return m[1] + word + m[2]
		})
	}
	return text
}
