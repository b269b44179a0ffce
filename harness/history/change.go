// SPDX-License-Identifier: Apache-2.0

package history

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/stats"
)

// Options say what counts as a change.
type Options struct {
	Exact float64 // the least effect on target exact, a share; 0: 0.5 %
	Noisy float64 // the same elsewhere; 0: 3 %
}

// Noisy series are searched window by window. A history has thousands of them, so a step by chance has to be very unlikely.
const (
	window = 30
	maxP   = 1e-5
)

// A Step is a change of one series.
type Step struct {
	Setting
	Series
	Before, After float64
	Effect        float64 // After against Before, a share; of shares: their difference
	Way           int     // 1: for the better, -1: for the worse, 0: the unit has no better way
}

// A Change is what changed at one commit, or at one of several that were not measured.
type Change struct {
	At, Since   int      // in the line: the entry that shows it, and the last before that does not
	Environment []string // what else differs between both, such as the kernel: then the commit is not to blame
	Lab         []string // the labs that measured both, if another commit of the lab measured the second: it may be to blame
	Drift       bool     // the steps came bit by bit, so no commit of the range is to blame
	Steps       []Step   // the largest first
	Vanished    []Series // series that the entry no longer has
	// Renamed are cells that vanished, each with the one new cell that has all its figures, digit by digit.
	Renamed map[string]string
}

// Worse counts the steps for the worse.
func (c Change) Worse() int { return harness.Count(c.Steps, func(s Step) bool { return s.Way < 0 }) }

// Changes finds what changed along a line, the newest first.
//
// On target exact the same program gives the same digits, so a step is seen at once, also at the newest commit: it reaches the least effect,
// and it is twice as large as repeats differ in it and usually do, so all agree on its direction. In a series whose repeats vary
// it is eight times as large as the series usually moves from one commit to the next. Elsewhere, and for smaller steps of such series,
// stats.ChangePoints finds steps of the medians. A run is held against the last one before it in the same environment, so a kernel that comes
// and goes hides no step. Moves below the least effect that all go one way are a drift, which is shown as one change without a commit to blame.
func (l Line) Changes(o Options) []Change {
	o.Exact, o.Noisy = cmp.Or(o.Exact, 0.005), cmp.Or(o.Noisy, 0.03)
	type place struct {
		at, since int
		drift     bool
	}
	found := map[place]*Change{}
	add := func(p place) *Change {
		if found[p] == nil {
			found[p] = &Change{At: p.at, Since: p.since, Drift: p.drift, Renamed: map[string]string{}}
		}
		return found[p]
	}
	for setting, runs := range l.settings() {
		series := map[Series]bool{}
		for k, r := range runs {
			for s := range r.Values {
				series[s] = true
			}
			if k == 0 {
				continue
			}
			before := runs[k-1]
			if env := environment(before.Run, r.Run); len(env) > 0 {
				c := add(place{r.at, before.at, false})
				c.Environment = append(c.Environment, env...)
			}
			before, ok := alike(runs[:k], r)
			if !ok {
				continue
			}
			gone := lacks(r.Run, before.Run)
			if len(gone) == 0 {
				continue
			}
			c := add(place{r.at, before.at, false})
			c.Vanished = append(c.Vanished, gone...)
			for old, cell := range renamed(before.Run, r.Run, gone) {
				c.Renamed[old] = cell
			}
		}
		for s := range series {
			for _, st := range steps(setting, s, runs, o) {
				c := add(place{st.at, st.since, st.drift})
				c.Steps = append(c.Steps, st.Step)
				if st.lab != "" {
					c.Lab = append(c.Lab, st.lab)
				}
			}
		}
	}
	out := harness.Map(slices.Collect(maps.Values(found)), func(c *Change) Change { return *c })
	for i := range out {
		c := &out[i]
		slices.SortFunc(c.Steps, func(x, y Step) int {
			return cmp.Or(cmp.Compare(math.Abs(y.Effect), math.Abs(x.Effect)), cmp.Compare(x.Cell, y.Cell), cmp.Compare(x.Unit, y.Unit), cmp.Compare(x.Setting.String(), y.Setting.String()))
		})
		slices.SortFunc(c.Vanished, func(x, y Series) int { return cmp.Or(cmp.Compare(x.Cell, y.Cell), cmp.Compare(x.Unit, y.Unit)) })
		for _, list := range []*[]string{&c.Environment, &c.Lab} {
			slices.Sort(*list)
			*list = slices.Compact(*list)
		}
	}
	slices.SortFunc(out, func(x, y Change) int { return cmp.Or(cmp.Compare(y.At, x.At), cmp.Compare(y.Since, x.Since)) })
	return out
}

// A placed run is one of a setting, and the entry that has it.
type placed struct {
	Run
	at     int
	commit string
}

// settings are the runs of the line by their settings, in its order.
func (l Line) settings() map[Setting][]placed {
	out := map[Setting][]placed{}
	for i, e := range l.Entries {
		for _, r := range e.Runs {
			out[r.Setting] = append(out[r.Setting], placed{r, i, e.Commit})
		}
	}
	return out
}

// environment says in what two runs of one setting differ beside the commit.
func environment(a, b Run) (out []string) {
	for _, v := range [][3]string{{"kernel", a.Kernel, b.Kernel}, {"QEMU", a.QEMU, b.QEMU}} {
		if v[1] != v[2] {
			out = append(out, fmt.Sprintf("%s %s → %s", v[0], cmp.Or(v[1], "-"), cmp.Or(v[2], "-")))
		}
	}
	return out
}

// otherLab says that two runs were measured by different commits of the lab, unless each measured itself; "" if not, or if it is not known.
func otherLab(a, b placed) string {
	own := func(r placed) bool { return strings.TrimSuffix(r.Lab, "+dirty") == r.commit }
	if a.Lab == "" || b.Lab == "" || a.Lab == b.Lab || own(a) && own(b) {
		return ""
	}
	return fmt.Sprintf("%.10s → %.10s", a.Lab, b.Lab)
}

// A found step has its place.
type foundStep struct {
	Step
	at, since int
	drift     bool
	lab       string
}

// steps finds the steps of one series.
func steps(setting Setting, s Series, all []placed, o Options) (out []foundStep) {
	runs := harness.Filter(all, func(r placed) bool { return len(r.Values[s]) > 0 })
	if len(runs) < 2 {
		return nil
	}
	mids := harness.Map(runs, func(r placed) float64 { return median(r.Values[s]) })
	step := func(j, k int, before, after float64) foundStep {
		better := runs[k].Better[s.Unit]
		if runs[j].Better[s.Unit] != better { // a file says otherwise than the other
			better = 0
		}
		return foundStep{Step: Step{setting, s, before, after, effect(s.Unit, before, after), way(better, before, after)}, at: runs[k].at, since: runs[j].at, lab: otherLab(runs[j], runs[k])}
	}
	least, usual := o.Noisy, 0.0
	if setting.Target == harness.TargetExact {
		least = o.Exact
		var moves []move
		for k := 1; k < len(runs); k++ {
			moves = append(moves, moved(s, runs[k-1].Run, runs[k].Run))
		}
		typical := func(of func(move) float64) float64 { return stats.Median(harness.Map(moves, of)) }
		spread := typical(func(m move) float64 { return m.spread })
		if len(moves) >= 3 && spread >= least/4 { // its repeats vary
			usual = typical(func(m move) float64 { return math.Abs(m.mid) })
		}
		settled := spread < least/4
		for _, p := range pairs(s, runs, func(m move) verdict {
			switch {
			case m.pairs > 1 && math.Abs(m.mid) >= max(least, 2*max(m.spread, spread), 8*usual):
				return stepped
			case settled && m.spread >= least:
				return torn
			}
			return still
		}) {
			out = append(out, step(p[0], p[1], mids[p[0]], mids[p[1]]))
		}
		for _, d := range drifts(runs, moves, least) {
			f := step(d[0], d[1], mids[d[0]], mids[d[1]])
			if f.drift = true; settled && math.Abs(f.Effect) >= 2*least {
				out = append(out, f)
			}
		}
	}
	for _, p := range stats.ChangePoints(mids, stats.ChangeOptions{Window: window, MaxP: maxP, MinMagnitude: max(least, 2*usual)}) {
		near := func(f foundStep) bool {
			if f.drift {
				return runs[p.Index].at > f.since && runs[p.Index].at <= f.at
			}
			return slices.ContainsFunc(runs[max(0, p.Index-2):min(len(runs), p.Index+3)], func(r placed) bool { return r.at == f.at })
		}
		if !slices.ContainsFunc(out, near) && math.Abs(effect(s.Unit, p.Before, p.After)) >= least {
			out = append(out, step(p.Index-1, p.Index, p.Before, p.After))
		}
	}
	return out
}

// A move is what a series does from one run to the next.
type move struct {
	mid    float64 // the median of the effects of the repeats that both have
	spread float64 // how far these lie apart
	pairs  int     // repeats that both have; one decides nothing
}

func moved(s Series, a, b Run) (m move) {
	var d []float64
	for repeat := range a.Values[s] {
		x, ok := a.At(s, repeat)
		y, too := b.At(s, repeat)
		if ok && too {
			d = append(d, effect(s.Unit, x, y))
		}
	}
	if len(d) == 0 {
		return move{}
	}
	lo, hi := slices.Min(d), slices.Max(d)
	return move{stats.Median(d), hi - lo, len(d)}
}

// effect is b against a: a share, or of shares their difference. From nothing to something is all of it.
func effect(unit string, a, b float64) float64 {
	switch {
	case strings.HasSuffix(unit, "share"):
		return b - a
	case a == b:
		return 0
	case a <= 0 || b <= 0:
		return math.Copysign(1, b-a)
	}
	return b/a - 1
}

// way is 1 if b is better than a, -1 if it is worse.
func way(better int, a, b float64) int { return better * cmp.Compare(b, a) }
