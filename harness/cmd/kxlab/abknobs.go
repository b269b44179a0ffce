// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/source"
)

// cutKnobs parts a word of the command line from the knobs behind it: "mine.bpf.c,slice_us=2000". A word that ends as sources and objects
// do has none, even if the file's name has a comma.
func cutKnobs(word string) (name, knobs string, more bool) {
	if source.Is(word) {
		return word, "", false
	}
	for at := strings.LastIndexByte(word, ','); at >= 0; at = strings.LastIndexByte(word[:at], ',') {
		if source.Is(word[:at]) {
			return word[:at], word[at+1:], true
		}
	}
	return strings.Cut(word, ",")
}

// withKnobs returns a variant's knobs with those of KNOB=NUMBER,… in their place. name is the variant's or object's, which has the known
// ones.
func withKnobs(have []harness.Knob, text, name string, known []string) ([]harness.Knob, error) {
	out := slices.Clone(have)
	var set []string
	for _, word := range strings.Split(text, ",") {
		knob, number, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("%s: %q is not KNOB=NUMBER, such as slice_us=2000", name, word)
		}
		if err := harness.Known("knob of "+name, knob, known); err != nil {
			return nil, err
		}
		value, err := strconv.ParseUint(number, 0, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: knob %s: %q is not a whole number from 0 to 2^64-1, such as 2000 or 0x7d0", name, knob, number)
		}
		if slices.Contains(set, knob) {
			return nil, fmt.Errorf("%s: knob %s is set twice", name, knob)
		}
		set = append(set, knob)
		if i := slices.IndexFunc(out, func(k harness.Knob) bool { return k.Name == knob }); i >= 0 {
			out[i].Value = value
		} else {
			out = append(out, harness.Knob{Name: knob, Value: value})
		}
	}
	return out, nil
}
