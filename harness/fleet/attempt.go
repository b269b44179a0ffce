// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/record"
)

// An Origin says which guest made an attempt. A file of another origin is no part of the shard, whatever its name.
type Origin struct {
	Plan    string // Plan.Sum
	Lab     string // Header.Lab
	Guests  string // Header.Guests of the run
	Run     string
	Job     string
	Attempt int // from 1
}

func (s *Shard) origin(run, guest, attempt int) Origin {
	r := s.Plan.Runs[run]
	return Origin{Plan: s.Header.Plan, Lab: s.Lab, Guests: s.Guests[r.Name], Run: r.Name, Job: r.Guests[guest].Job, Attempt: attempt + 1}
}

// check returns an error unless the origin is the one that is wanted.
func (o Origin) check(want Origin) error {
	switch {
	case o == want:
		return nil
	case o.Plan != want.Plan:
		return fmt.Errorf("it is of another plan (%.12s, not %.12s)", o.Plan, want.Plan)
	case o.Lab != want.Lab:
		return fmt.Errorf("another version of kxlab made it")
	case o.Run != want.Run || o.Job != want.Job:
		return fmt.Errorf("it is of the guest %q of run %s", o.Job, o.Run)
	case o.Guests != want.Guests:
		return fmt.Errorf("a guest with another kernel, QEMU or tools made it")
	}
	return fmt.Errorf("it is attempt %d, not %d", o.Attempt, want.Attempt)
}

// attemptName is the file of an attempt: the run and the guest, by their places in the plan, and the attempt, all from 1.
func (s *Shard) attemptName(run, guest, attempt int) string {
	return fmt.Sprintf("run%d-guest%03d-%d.json.gz", run+1, guest+1, attempt+1)
}

// Attempt reads an attempt of a guest, by their places from 0. Without a file the error wraps fs.ErrNotExist; another error is damage.
func (s *Shard) Attempt(run, guest, attempt int) (a Attempt, err error) {
	name := s.attemptName(run, guest, attempt)
	packed, err := s.readFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	if err != nil {
		return a, fmt.Errorf("%s is damaged: %w", filepath.Join(s.Dir, name), err)
	}
	if err = cache.Unpack(packed, &a); err == nil {
		err = a.Origin.check(s.origin(run, guest, attempt))
	}
	if err != nil {
		return a, fmt.Errorf("%s is damaged: %w", filepath.Join(s.Dir, name), err)
	}
	return a, nil
}

// Keep writes an attempt down, whole or not at all.
func (s *Shard) Keep(run, guest, attempt int, a Attempt) error {
	a.Origin = s.origin(run, guest, attempt)
	packed, err := cache.Pack(a)
	if err == nil {
		err = record.WriteFile(s.root, s.attemptName(run, guest, attempt), packed)
	}
	if err != nil {
		return fmt.Errorf("write shard %s: %w", s.Dir, err)
	}
	return nil
}

// readFile reads a regular file of the folder.
func (s *Shard) readFile(name string) ([]byte, error) {
	f, err := record.OpenRegular(s.root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// mine calls do with the places of each guest of the shard.
func (s *Shard) mine(do func(run, guest int)) {
	for i, r := range s.Plan.Runs {
		for k, g := range r.Guests {
			if g.Shard == s.Shard {
				do(i, k)
			}
		}
	}
}

// sound is how many attempts of a guest can be read, and the error of the next if that is damaged.
func (s *Shard) sound(run, guest int) (n int, damage error) {
	for ; ; n++ {
		_, err := s.Attempt(run, guest, n)
		if errors.Is(err, fs.ErrNotExist) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// attempts are the files of the guests' sound attempts, sorted.
func (s *Shard) attempts() (names []string) {
	s.mine(func(run, guest int) {
		n, _ := s.sound(run, guest)
		for i := range n {
			names = append(names, s.attemptName(run, guest, i))
		}
	})
	slices.Sort(names)
	return names
}

// mend removes the damaged attempts of guests, and those after them. The shard is half made if it lacks one then.
func (s *Shard) mend() error {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return err
	}
	var errs []error
	s.mine(func(run, guest int) {
		n, damage := s.sound(run, guest)
		if damage != nil {
			s.Mended = append(s.Mended, damage)
		}
		for _, e := range entries {
			if attempt := s.attemptOf(e.Name(), run, guest); attempt >= n {
				errs = append(errs, s.root.RemoveAll(e.Name()))
			}
		}
	})
	if s.Complete && !slices.Equal(s.Files, s.attempts()) {
		s.Complete, s.Files = false, nil
		errs = append(errs, s.writeHeader())
	}
	return errors.Join(errs...)
}

// attemptOf is which attempt of a guest has a file of that name; -1: none.
func (s *Shard) attemptOf(name string, run, guest int) int {
	first := s.attemptName(run, guest, 0)
	front, back := strings.TrimSuffix(first, "1.json.gz"), ".json.gz"
	digits, ok := strings.CutPrefix(strings.TrimSuffix(name, back), front)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || s.attemptName(run, guest, n-1) != name {
		return -1
	}
	return n - 1
}
