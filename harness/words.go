// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"slices"
	"strings"
)

// An UnknownError says that a word is unknown, which words are known, and which of them is closest.
type UnknownError struct {
	Kind  string // what the word should have been: "variant", "axis"
	Word  string
	Known []string
}

func (e *UnknownError) Error() string {
	msg := fmt.Sprintf("unknown %s %q", e.Kind, e.Word)
	if s := Closest(e.Word, e.Known); s != "" {
		msg += fmt.Sprintf(", did you mean %q?", s)
	}
	if len(e.Known) == 0 {
		return msg + " (there is none)"
	}
	return msg + " (there are: " + strings.Join(e.Known, ", ") + ")"
}

// Known returns an *UnknownError unless word is one of known.
func Known(kind, word string, known []string) error {
	if slices.Contains(known, word) {
		return nil
	}
	return &UnknownError{Kind: kind, Word: word, Known: known}
}

// Plural is a number with its noun: "1 row", "2 rows".
func Plural[N int | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Were is the verb of so many.
func Were(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// Closest returns the word among known that differs from word in the fewest characters, else the only one that begins with it, or "" if none
// is near.
func Closest(word string, known []string) string {
	best, least := "", len(word)/3+2 // a third of the characters may be wrong, one at least
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	begun := slices.DeleteFunc(slices.Clone(known), func(k string) bool { return len(word) < leastBegun || !strings.HasPrefix(k, word) })
	if best == "" && len(begun) == 1 {
		return begun[0]
	}
	return best
}

// leastBegun is how many characters of a word say which one is meant.
const leastBegun = 4

// distance is the number of characters to insert, delete or replace to get from a to b (Levenshtein 1965).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
