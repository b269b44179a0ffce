// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/vm"
)

// The files of a shard's folder, besides those of its guests.
const (
	planFile  = "plan.json"
	shardFile = "shard.json"
)

// A Header says which shard a folder has, and what made it.
type Header struct {
	Tool     string    `json:"tool"`
	Schema   int       `json:"schema"`
	Plan     string    `json:"plan"` // Plan.Sum
	Shard    int       `json:"shard"`
	Complete bool      `json:"complete"`
	Started  time.Time `json:"started"`
	Machine  string    `json:"machine"` // its name
	Lab      string    `json:"lab"`     // SHA-256 of the program
	// By the names of the plan's runs, of those of which the shard has guests: the digest of the run's first guest, which is the same
	// wherever its kernel, its root file system and QEMU are, and the head of the record.
	Guests map[string]string     `json:"guests"`
	Envs   map[string]record.Env `json:"envs"`
	Notes  []string              `json:"notes,omitempty"` // about the guests, for the record
}

// An Attempt is what one guest of a job reported, and how it ended.
type Attempt struct {
	Job    string
	Report []byte        // see runner.Guest
	Died   string        `json:",omitempty"` // why the guest died; "": it did not
	Exit   *vm.ExitError `json:",omitempty"` // the same, of a guest that ended by itself
}

// A Shard is a shard's folder.
type Shard struct {
	Header
	Dir  string
	Plan *Plan
	lock *os.File // of one that is written
	root *os.Root
}

// IsShard reports whether a folder looks like a shard's.
func IsShard(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, shardFile))
	return err == nil
}

// OpenShard reads a shard's folder. Its guests are read by Attempt.
func OpenShard(dir string) (*Shard, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open shard: %w", err)
	}
	s := &Shard{Dir: dir, root: root}
	if err := s.read(); err != nil {
		root.Close()
		return nil, fmt.Errorf("open shard %s: %w", dir, err)
	}
	return s, nil
}

func (s *Shard) read() error {
	raw, err := s.root.ReadFile(shardFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it has no %s: name a folder that kxlab run --shard wrote", shardFile)
	}
	if err != nil {
		return err
	}
	if err := decode(raw, shardTool, &s.Header); err != nil {
		return fmt.Errorf("%s: %w", shardFile, err)
	}
	if raw, err = s.root.ReadFile(planFile); err != nil {
		return err
	}
	if s.Plan, err = decodePlan(raw); err != nil {
		return fmt.Errorf("%s: %w", planFile, err)
	}
	sum, err := s.Plan.Sum()
	switch {
	case err != nil:
		return err
	case sum != s.Header.Plan:
		return fmt.Errorf("%s is not the plan of %s: one of them was changed", planFile, shardFile)
	case s.Shard < 1 || s.Shard > s.Plan.Shards:
		return fmt.Errorf("%s: shard %d of %d", shardFile, s.Shard, s.Plan.Shards)
	}
	return nil
}

// Begin makes a shard's folder, or opens one that an ended process left half made: its guests stay. The folder is locked until Close. Another
// writer, other content, another plan or shard, or one that others than h would have made, is an error.
func Begin(dir string, p *Plan, h Header) (*Shard, error) {
	s := &Shard{Dir: dir, Plan: p, Header: h}
	if err := s.begin(); err != nil {
		s.Close()
		return nil, fmt.Errorf("begin shard %s: %w", dir, err)
	}
	return s, nil
}

func (s *Shard) begin() (err error) {
	s.Tool, s.Schema = shardTool, Schema
	if s.Header.Plan, err = s.Plan.Sum(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	if s.lock, err = os.Open(s.Dir); err != nil {
		return err
	}
	if err := syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.New("another process is writing there")
	}
	if s.root, err = os.OpenRoot(s.Dir); err != nil {
		return err
	}
	if IsShard(s.Dir) {
		return s.resume()
	}
	if names, err := s.lock.Readdirnames(-1); err != nil || slices.ContainsFunc(names, func(n string) bool { return n != planFile && n[0] != '.' }) {
		return cmp.Or(err, errors.New("it holds other files: name an empty folder"))
	}
	raw, err := s.Plan.Encode()
	if err != nil {
		return err
	}
	return cmp.Or(record.WriteFile(s.root, planFile, raw), s.writeHeader())
}

// resume takes over a folder that holds this shard.
func (s *Shard) resume() error {
	old := &Shard{Dir: s.Dir, root: s.root}
	if err := old.read(); err != nil {
		return fmt.Errorf("%w: name an empty folder", err)
	}
	var fault string
	switch {
	case old.Header.Plan != s.Header.Plan:
		fault = "a shard of another plan"
	case old.Shard != s.Shard:
		fault = fmt.Sprintf("shard %d", old.Shard)
	default:
		fault = old.unlike(s)
	}
	if fault != "" {
		return fmt.Errorf("it holds %s: name an empty folder", fault)
	}
	s.Header = old.Header
	return nil
}

// unlike says why two shards of a plan do not go together: what made them; "" if they do.
func (s *Shard) unlike(o *Shard) string {
	if s.Lab != o.Lab {
		return fmt.Sprintf("guests of another version of kxlab (%.12s, not %.12s)", s.Lab, o.Lab)
	}
	for _, r := range s.Plan.Runs {
		mine, known := s.Guests[r.Name]
		other, both := o.Guests[r.Name]
		if !known || !both || mine == other {
			continue
		}
		a, b := s.Envs[r.Name], o.Envs[r.Name]
		for _, fact := range [][3]string{{"kernel", a.Kernel, b.Kernel}, {"QEMU", a.QEMU, b.QEMU}, {"CPU", a.CPU, b.CPU}} {
			if fact[1] != fact[2] {
				return fmt.Sprintf("guests with another %s (%s, not %s)", fact[0], fact[1], fact[2])
			}
		}
		return "guests with another kernel image, root file system or tools, though of the same versions"
	}
	return ""
}

func (s *Shard) writeHeader() error {
	raw, err := json.MarshalIndent(s.Header, "", " ")
	if err != nil {
		return err
	}
	return record.WriteFile(s.root, shardFile, append(raw, '\n'))
}

// Note adds a note, which Finish writes down.
func (s *Shard) Note(text string) {
	if !slices.Contains(s.Notes, text) {
		s.Notes = append(s.Notes, text)
	}
}

// Finish says that all guests of the shard have ended.
func (s *Shard) Finish() error {
	s.Complete = true
	if err := s.writeHeader(); err != nil {
		return fmt.Errorf("finish shard %s: %w", s.Dir, err)
	}
	return nil
}

// Close ends the use of the folder.
func (s *Shard) Close() {
	if s.root != nil {
		s.root.Close()
	}
	if s.lock != nil {
		s.lock.Close()
	}
}

// attemptName is the file of an attempt: the run and the guest, by their places in the plan, and the attempt, all from 1.
func (s *Shard) attemptName(run, guest, attempt int) string {
	return fmt.Sprintf("run%d-guest%03d-%d.json.gz", run+1, guest+1, attempt+1)
}

// Attempt reads an attempt of a guest, by their places from 0. Without a file the error wraps fs.ErrNotExist; another error is damage.
func (s *Shard) Attempt(run, guest, attempt int) (a Attempt, err error) {
	name := s.attemptName(run, guest, attempt)
	packed, err := s.root.ReadFile(name)
	if err != nil {
		return a, err
	}
	if err = cache.Unpack(packed, &a); err == nil && a.Job != s.Plan.Runs[run].Guests[guest].Job {
		err = fmt.Errorf("it is of the guest %q", a.Job)
	}
	if err != nil {
		return a, fmt.Errorf("%s is damaged: %w", filepath.Join(s.Dir, name), err)
	}
	return a, nil
}

// Keep writes an attempt down, whole or not at all.
func (s *Shard) Keep(run, guest, attempt int, a Attempt) error {
	packed, err := cache.Pack(a)
	if err == nil {
		err = record.WriteFile(s.root, s.attemptName(run, guest, attempt), packed)
	}
	if err != nil {
		return fmt.Errorf("write shard %s: %w", s.Dir, err)
	}
	return nil
}

// String names the shard: "shard 2 of 7 (DIR)".
func (s *Shard) String() string {
	return fmt.Sprintf("shard %d of %d (%s)", s.Shard, s.Plan.Shards, strings.TrimSuffix(s.Dir, "/"))
}
