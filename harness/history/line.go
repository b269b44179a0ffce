// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/kxlab/kxlab/harness/stats"
)

// A Line is the entries of a history in the order of their commits, the oldest first.
type Line struct {
	Entries []Entry
	// Place is where each entry's commit stands among all commits of the line, measured or not; without knowledge of the others it is the
	// entry's own index.
	Place   []int
	Remarks []string // what is left out, and what is odd
	commits []string // all, by their places
	notes   []placedNote
}

// Along puts entries in the order of a line of commits, the oldest first, such as those from a branch's first commit to its last, without
// the other sides of merges. Entries of other commits are left out, with a remark.
func Along(entries []Entry, commits []string) Line {
	place := map[string]int{}
	for i, c := range commits {
		place[c] = i
	}
	l := Line{commits: commits}
	for _, e := range slices.SortedFunc(slices.Values(entries), func(x, y Entry) int { return cmp.Compare(x.Commit, y.Commit) }) {
		if _, on := place[e.Commit]; on {
			l.Entries = append(l.Entries, e)
		} else {
			l.Remarks = append(l.Remarks, fmt.Sprintf("%.12s is not on this line of commits: it is on the other side of a merge, on another branch, or was rewritten", e.Commit))
		}
	}
	slices.SortFunc(l.Entries, func(x, y Entry) int { return cmp.Compare(place[x.Commit], place[y.Commit]) })
	for _, e := range l.Entries {
		l.Place = append(l.Place, place[e.Commit])
	}
	l.clocks()
	l.machines()
	l.directions()
	return l
}

// ByTime puts entries in the order of their commits' times, without knowledge of a repository; a commit never stands before one of its
// parents.
func ByTime(entries []Entry) Line {
	left := slices.SortedFunc(slices.Values(entries), func(x, y Entry) int { return cmp.Or(x.Committed.Compare(y.Committed), cmp.Compare(x.Commit, y.Commit)) })
	var l Line
	for len(left) > 0 {
		waits := func(e Entry) bool {
			return slices.ContainsFunc(left, func(o Entry) bool { return slices.Contains(e.Parents, o.Commit) })
		}
		i := max(0, slices.IndexFunc(left, func(e Entry) bool { return !waits(e) })) // parents in a circle cannot be: hashes
		l.Entries, l.Place, l.commits = append(l.Entries, left[i]), append(l.Place, len(l.Entries)), append(l.commits, left[i].Commit)
		left = slices.Delete(left, i, i+1)
	}
	l.clocks()
	l.machines()
	l.directions()
	return l
}

// clocks remarks on commits that say that they are older than those before them.
func (l *Line) clocks() {
	for i := 1; i < len(l.Entries); i++ {
		a, b := l.Entries[i-1], l.Entries[i]
		if !b.Committed.IsZero() && b.Committed.Before(a.Committed) {
			l.Remarks = append(l.Remarks, fmt.Sprintf("%.12s follows %.12s and says that it is older: the order is that of the commits, not of their clocks", b.Commit, a.Commit))
		}
	}
}

// A Point is the median of a series at an entry of a line.
type Point struct {
	At     int
	Median float64
}

// A Drawn series has its points in the order of the line.
type Drawn struct {
	Setting
	Series
	Points []Point
}

// Lines are the series that are chosen, sorted by their names.
func (l Line) Lines(chosen func(Setting, Series) bool) (out []Drawn) {
	for setting, runs := range l.settings() {
		points := map[Series][]Point{}
		for _, r := range runs {
			for s, values := range r.Values {
				if chosen(setting, s) {
					points[s] = append(points[s], Point{r.at, median(values)})
				}
			}
		}
		for s, p := range points {
			out = append(out, Drawn{setting, s, p})
		}
	}
	slices.SortFunc(out, func(x, y Drawn) int {
		return cmp.Or(cmp.Compare(x.Setting.String(), y.Setting.String()), cmp.Compare(x.Cell, y.Cell), cmp.Compare(x.Unit, y.Unit))
	})
	return out
}

// median is that of the repeats that have a value.
func median(values []float64) float64 {
	return stats.Median(slices.DeleteFunc(slices.Clone(values), math.IsNaN))
}
