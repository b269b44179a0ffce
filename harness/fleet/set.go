// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// A Set is the shards of one plan.
type Set struct {
	Plan   *Plan
	shards map[int]*Shard // by their numbers
}

// Gather opens shards: each folder is one, or holds some. The faults name what keeps them from being the whole plan: a shard that is missing,
// twice there, half made, still being made, damaged, of another plan, or made by another version of this program, kernel or QEMU. A faulty
// shard is left out of the set; of a half one, the guests that ended stay. The error is that no shard is left.
func Gather(dirs []string) (set *Set, faults []error, err error) {
	var all []*Shard
	for _, dir := range unfold(dirs) {
		s, err := OpenShard(dir)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, faults, errors.Join(append(faults, errors.New("there is no shard to put together"))...)
	}
	plan, others := commonPlan(all)
	set = &Set{Plan: plan, shards: map[int]*Shard{}}
	sum, err := set.Plan.Sum()
	if err != nil {
		return nil, faults, err
	}
	for _, s := range all {
		if s.Header.Plan != sum {
			faults = append(faults, fmt.Errorf("%v is of another plan, %v (%.12s); %s of %v (%.12s)", s, s.Plan, s.Header.Plan, others, plan, sum))
			s.Close()
			continue
		}
		faults = append(faults, set.add(s)...)
	}
	faults = append(faults, set.strangers()...)
	for n := 1; n <= set.Plan.Shards; n++ {
		s := set.shards[n]
		if s == nil {
			guests, trials := set.Plan.Of(n)
			faults = append(faults, fmt.Errorf("shard %d of %d is missing: %s, %s", n, set.Plan.Shards,
				harness.Plural(guests, "guest"), harness.Plural(trials, "trial")))
			continue
		}
		faults = append(faults, s.faults()...)
	}
	return set, faults, nil
}

// mostDepth is how far below a folder shards are looked for.
const mostDepth = 4

// unfold replaces each folder that is no shard by the shards below it, if it has some. A folder with guests that lost its header counts as one.
func unfold(dirs []string) (out []string) {
	for _, dir := range dirs {
		inside := shardsBelow(dir, mostDepth)
		if len(inside) == 0 {
			inside = []string{dir} // OpenShard says what it lacks
		}
		out = append(out, inside...)
	}
	return out
}

// guestRE matches the files of guests.
var guestRE = regexp.MustCompile(`^run\d+-guest\d+-\d+\.json\.gz$`)

func shardsBelow(dir string, depth int) (out []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	guest := func(e os.DirEntry) bool { return guestRE.MatchString(e.Name()) }
	if IsShard(dir) || slices.ContainsFunc(entries, guest) {
		return []string{dir}
	}
	if depth == 0 {
		return nil
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if st, err := os.Stat(path); err == nil && st.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, shardsBelow(path, depth-1)...)
		}
	}
	return out
}

// commonPlan is the plan of most shards, of several the first. others says of which those are.
func commonPlan(all []*Shard) (p *Plan, others string) {
	count := map[string]int{}
	for _, s := range all {
		count[s.Header.Plan]++
	}
	best := all[0]
	for _, s := range all {
		if count[s.Header.Plan] > count[best.Header.Plan] {
			best = s
		}
	}
	others = "most are"
	for plan, n := range count {
		if plan != best.Header.Plan && n == count[best.Header.Plan] {
			others = "the first is"
		}
	}
	return best.Plan, others
}

// add takes a shard into the set. Of two with one number the first stays, unless only the second is complete.
func (set *Set) add(s *Shard) (faults []error) {
	have := set.shards[s.Shard]
	if have == nil {
		set.shards[s.Shard] = s
		return nil
	}
	faults = append(faults, fmt.Errorf("shard %d of %d is there twice: %s and %s", s.Shard, s.Plan.Shards, have.Dir, s.Dir))
	if !have.Complete && s.Complete {
		have, s = s, have
	}
	set.shards[s.Shard] = have
	s.Close()
	return faults
}

// strangers takes shards out of the set that do not go together with most others.
func (set *Set) strangers() (faults []error) {
	agree := func(s *Shard) (n int) {
		for _, o := range set.shards {
			if s.unlike(o) == "" {
				n++
			}
		}
		return n
	}
	var first *Shard
	for n := 1; n <= set.Plan.Shards; n++ {
		if s := set.shards[n]; s != nil && (first == nil || agree(s) > agree(first)) {
			first = s
		}
	}
	for n := 1; n <= set.Plan.Shards; n++ {
		s := set.shards[n]
		if s == nil {
			continue
		}
		if why := s.unlike(first); why != "" {
			faults = append(faults, fmt.Errorf("%v has %s", s, why))
			s.Close()
			delete(set.shards, n)
		}
	}
	return faults
}

// faults are what a shard lacks, and what it has and should not have.
func (s *Shard) faults() (out []error) {
	again := fmt.Sprintf("kxlab run --shard %d/%d with --out %s makes it again", s.Shard, s.Plan.Shards, s.Dir)
	known := map[string]bool{planFile: true, shardFile: true}
	ended, guests, damaged := 0, 0, false
	s.mine(func(run, guest int) {
		n, damage := s.sound(run, guest)
		for i := range n {
			known[s.attemptName(run, guest, i)] = true
		}
		if damage != nil {
			damaged, known[s.attemptName(run, guest, n)] = true, true
			out = append(out, fmt.Errorf("%w; %s", damage, again))
		}
		if guests++; n > 0 || damage != nil {
			ended++
		}
	})
	lost := harness.Filter(s.Files, func(name string) bool { return !known[name] })
	for _, name := range lost {
		out = append(out, fmt.Errorf("%v lacks %s; %s", s, name, again))
	}
	s.whole = s.Complete && !damaged && len(lost) == 0
	switch {
	case s.Complete:
	case s.busy():
		out = append(out, fmt.Errorf("%v is still being made: %d of %s ended; merge when all have", s, ended, harness.Plural(guests, "guest")))
	default:
		out = append(out, fmt.Errorf("%v is half made: %d of %s ended; run it again with --out %s, and it goes on", s, ended, harness.Plural(guests, "guest"), s.Dir))
	}
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return append(out, err)
	}
	for _, e := range entries {
		switch {
		case known[e.Name()] || strings.HasPrefix(e.Name(), "."):
		case e.Name() == storeList:
			out = append(out, fmt.Errorf("%v is a folder of kxlab-store: name it by its URL, file:///…", s))
		default:
			out = append(out, fmt.Errorf("%v has a foreign file: %s", s, e.Name()))
		}
	}
	return out
}

// storeList is the list of a folder that kxlab-store put to a place.
const storeList = "kxlab-store.json"

// Whole is how many shards are there with all their guests.
func (set *Set) Whole() (n int) {
	for _, s := range set.shards {
		if s.whole {
			n++
		}
	}
	return n
}

// busy reports whether a process is writing the shard.
func (s *Shard) busy() bool {
	d, err := os.Open(s.Dir)
	if err != nil {
		return false
	}
	defer d.Close()
	return syscall.Flock(int(d.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

// Env is the head of the record of a run: that of the first shard which has guests of it; false if none has.
func (set *Set) Env(run string) (env record.Env, ok bool) {
	for n := 1; n <= set.Plan.Shards; n++ {
		if s := set.shards[n]; s != nil {
			if env, ok = s.Envs[run]; ok {
				return env, true
			}
		}
	}
	return env, false
}

// Attempt reads an attempt of a guest of a run, wherever it is. The error wraps fs.ErrNotExist if no shard has it.
func (set *Set) Attempt(run, guest, attempt int) (Attempt, error) {
	g := set.Plan.Runs[run].Guests[guest]
	s := set.shards[g.Shard]
	if s == nil {
		return Attempt{}, fmt.Errorf("shard %d of %d, which makes the guest %q, is missing: %w", g.Shard, set.Plan.Shards, g.Job, fs.ErrNotExist)
	}
	a, err := s.Attempt(run, guest, attempt)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%v lacks the guest %q: %w", s, g.Job, fs.ErrNotExist)
	}
	return a, err
}

// Took is how long the guests of a run took, one after another.
func (set *Set) Took(run int) (total time.Duration) {
	for guest := range set.Plan.Runs[run].Guests {
		for attempt := 0; ; attempt++ {
			a, err := set.Attempt(run, guest, attempt)
			if err != nil {
				break
			}
			total += a.Took
		}
	}
	return total
}

// Machines are the names of the machines that made the shards.
func (set *Set) Machines() []string {
	return set.each(func(s *Shard) []string { return []string{s.Machine} })
}

// Notes are what the shards note about their guests.
func (set *Set) Notes() []string { return set.each(func(s *Shard) []string { return s.Header.Notes }) }

func (set *Set) each(of func(*Shard) []string) (out []string) {
	for _, s := range set.shards {
		out = append(out, of(s)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Close ends the use of the shards.
func (set *Set) Close() {
	for _, s := range set.shards {
		s.Close()
	}
}
