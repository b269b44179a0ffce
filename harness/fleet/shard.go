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
	Files    []string  `json:"files,omitempty"` // of guests, of a complete shard
	Started  time.Time `json:"started"`
	Machine  string    `json:"machine"` // its name
	Lab      string    `json:"lab"`     // SHA-256 of the program
	// By the names of the plan's runs, of those of which the shard has guests: the digest of the run's first guest, which is the same
	// wherever its kernel, its root file system and QEMU are, and the head of the record.
	Guests map[string]string     `json:"guests"`
	Envs   map[string]record.Env `json:"envs"`
	Notes  []string              `json:"notes,omitempty"` // about the guests, for the record
	Sum    string                `json:"sum"`             // see sumOf
}

// An Attempt is what one guest of a job reported, and how it ended.
type Attempt struct {
	Origin Origin        // Keep sets it
	Report []byte        // see runner.Guest
	Took   time.Duration // by this machine's clock; with a kept report, that of reading it
	Died   string        `json:",omitempty"` // why the guest died; "": it did not
	Exit   *vm.ExitError `json:",omitempty"` // the same, of a guest that ended by itself
}

// A Shard is a shard's folder.
type Shard struct {
	Header
	Dir    string
	Plan   *Plan
	Mended []error  // files that Begin removed, because they were damaged
	whole  bool     // see faults
	lock   *os.File // of one that is written
	root   *os.Root
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
	raw, err := s.readFile(shardFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it has no %s: name a folder that kxlab run --shard wrote", shardFile)
	}
	if err != nil {
		return err
	}
	if err := decode(raw, shardTool, shardSchema, &s.Header); err != nil {
		return fmt.Errorf("%s: %w", shardFile, err)
	}
	if sum, err := sumOf(raw); err != nil || sum != s.Sum {
		return cmp.Or(err, fmt.Errorf("header damaged: %s is not what kxlab wrote; make the shard again in an empty folder", shardFile))
	}
	if raw, err = s.readFile(planFile); err != nil {
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

// Begin makes a shard's folder, or opens one that an ended process left half made: its guests stay, but for damaged ones. The folder is locked until Close. Another
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
	s.Tool, s.Schema = shardTool, shardSchema
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
	return s.mend()
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
	raw, err := json.Marshal(s.Header)
	if err != nil {
		return err
	}
	if s.Sum, err = sumOf(raw); err != nil {
		return err
	}
	if raw, err = json.MarshalIndent(s.Header, "", " "); err != nil {
		return err
	}
	return record.WriteFile(s.root, shardFile, append(raw, '\n'))
}

// sumOf is the SHA-256 of a header but for the sum in it, in hexadecimal; spaces do not count.
func sumOf(header []byte) (string, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(header, &fields); err != nil {
		return "", err
	}
	delete(fields, "sum")
	raw, err := json.Marshal(fields) // sorted by name
	if err != nil {
		return "", err
	}
	return hexSum(raw), nil
}

// Note adds a note, which Finish writes down.
func (s *Shard) Note(text string) {
	if !slices.Contains(s.Notes, text) {
		s.Notes = append(s.Notes, text)
	}
}

// Finish says that all guests of the shard have ended.
func (s *Shard) Finish() error {
	s.Complete, s.Files = true, s.attempts()
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

// String names the shard: "shard 2 of 7 (DIR)".
func (s *Shard) String() string {
	return fmt.Sprintf("shard %d of %d (%s)", s.Shard, s.Plan.Shards, strings.TrimSuffix(s.Dir, "/"))
}
