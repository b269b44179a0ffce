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

// Closest returns the word among known that differs from word in the fewest characters, else the only one that begins with it, or with most
// of it, or "" if none is near.
func Closest(word string, known []string) string {
	best, least := "", len(word)/3+2 // a third of the characters may be wrong, one at least
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return best
	}
	for _, enough := range []int{len(word), (3*len(word) + 3) / 4} {
		begun := Filter(known, func(k string) bool { return begins(word, k) >= max(enough, leastBegun) })
		if len(begun) == 1 {
			return begun[0]
		}
	}
	return ""
}

// leastBegun is how many characters of a word say which one is meant.
const leastBegun = 4

// begins is with how many characters both words begin.
func begins(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// distance is the number of characters to insert, delete, replace or exchange with the next to get from a to b: the optimal string alignment
// (Boytsov, ACM JEA 16, 2011).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
				continue
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j-1], rows[i-1][j], rows[i][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], 1+rows[i-2][j-2])
			}
		}
	}
	return rows[len(a)][len(b)]
}
