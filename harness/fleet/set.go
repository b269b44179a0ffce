// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

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
	set = &Set{Plan: commonPlan(all), shards: map[int]*Shard{}}
	sum, err := set.Plan.Sum()
	if err != nil {
		return nil, faults, err
	}
	for _, s := range all {
		if s.Header.Plan != sum {
			faults = append(faults, fmt.Errorf("%v is of another plan than most", s))
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

// unfold replaces each folder that is no shard by the shards in it, if it has some.
func unfold(dirs []string) (out []string) {
	for _, dir := range dirs {
		inside, _ := filepath.Glob(filepath.Join(dir, "*", shardFile)) // fails only for a bad pattern, and then finds nothing
		if IsShard(dir) || len(inside) == 0 {
			out = append(out, dir)
			continue
		}
		out = append(out, harness.Map(inside, filepath.Dir)...)
	}
	return out
}

// commonPlan is the plan of most shards, of several the first.
func commonPlan(all []*Shard) *Plan {
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
	return best.Plan
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
	known := map[string]bool{planFile: true, shardFile: true}
	ended, guests := 0, 0
	for i, r := range s.Plan.Runs {
		for k, g := range r.Guests {
			if g.Shard != s.Shard {
				continue
			}
			guests++
			n := 0
			for ; ; n++ {
				_, err := s.Attempt(i, k, n)
				if errors.Is(err, fs.ErrNotExist) {
					break
				}
				known[s.attemptName(i, k, n)] = true
				if err != nil {
					out = append(out, err)
				}
			}
			if n > 0 {
				ended++
			}
		}
	}
	if ended < guests || !s.Complete {
		state := "half made"
		if s.busy() {
			state = "still being made"
		}
		out = append(out, fmt.Errorf("%v is %s: %d of %s ended; run it again with the same folder, and it goes on", s, state, ended, harness.Plural(guests, "guest")))
	}
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return append(out, err)
	}
	for _, e := range entries {
		if !known[e.Name()] && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, fmt.Errorf("%v has a foreign file: %s", s, e.Name()))
		}
	}
	return out
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
