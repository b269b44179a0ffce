// SPDX-License-Identifier: Apache-2.0

// Package fleet cuts runs in exact guests into shards, which several machines make, and puts together what their guests reported. A shard
// is a folder of reports, a file for each guest. The digits of an exact guest depend on no machine, so that the shards of a plan hold what
// one machine would have recorded.
package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/runner"
)

// The versions of the files.
const planSchema, shardSchema = 1, 2

const planTool, shardTool = "kxlab plan", "kxlab shard"

// A Plan says which shard makes which guest. The same arguments give the same bytes.
type Plan struct {
	Tool   string `json:"tool"`
	Schema int    `json:"schema"`
	Shards int    `json:"shards"`
	Runs   []Run  `json:"runs"`
}

// A Run is one experiment on one kernel, in exact guests.
type Run struct {
	Name       string             `json:"name"`   // of its folder, where the plan has several
	Kernel     string             `json:"kernel"` // as on the command line; "": the default
	CPUs       int                `json:"cpus,omitempty"`
	Seed       uint64             `json:"seed"`
	Guests     []Guest            `json:"guests"`
	Selection  runner.Selection   `json:"selection"`
	Objects    runner.Objects     `json:"objects,omitempty"` // BPF objects that the program does not have
	Experiment harness.Experiment `json:"experiment"`
}

// A Guest is one guest of a run, with what it does.
type Guest struct {
	Shard  int      `json:"shard"` // from 1
	Job    string   `json:"job"`   // runner.Job.Name
	Trials int      `json:"trials"`
	Cells  []string `json:"cells"`
}

// mostShards bounds a plan.
const mostShards = 10_000

// New makes a plan: each guest of the runs, whose Guests are not set yet, is in one shard, and all shards take about as long. Of more
// shards than guests some have none. Tasks are the guests of each run.
func New(runs []Run, tasks [][]runner.Task, shards int) (*Plan, error) {
	var lengths []time.Duration
	for _, of := range tasks {
		lengths = append(lengths, harness.Map(of, func(t runner.Task) time.Duration { return t.Guess })...)
	}
	if shards < 1 || shards > mostShards {
		return nil, fmt.Errorf("%s: want 1 to %d", harness.Plural(shards, "shard"), mostShards)
	}
	hand := runner.Deal(lengths, shards)
	p := &Plan{Tool: planTool, Schema: planSchema, Shards: shards, Runs: slices.Clone(runs)}
	for i, of := range tasks {
		p.Runs[i].Guests = nil
		for _, t := range of {
			p.Runs[i].Guests = append(p.Runs[i].Guests, Guest{Shard: hand[0] + 1, Job: t.Job, Trials: t.Trials, Cells: t.Cells})
			hand = hand[1:]
		}
	}
	return p, nil
}

// String says what a plan runs: "cc (smoke, seed 1) in 3 shards".
func (p *Plan) String() string {
	runs := harness.Map(p.Runs, func(r Run) string { return fmt.Sprintf("%s (%s, seed %d)", r.Name, r.Selection.Profile, r.Seed) })
	return fmt.Sprintf("%s in %s", strings.Join(runs, ", "), harness.Plural(p.Shards, "shard"))
}

// Encode returns the plan's file.
func (p *Plan) Encode() ([]byte, error) {
	raw, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	return append(raw, '\n'), nil
}

// Sum names a plan: the SHA-256 of its file, in hexadecimal.
func (p *Plan) Sum() (string, error) {
	raw, err := p.Encode()
	if err != nil {
		return "", err
	}
	return hexSum(raw), nil
}

// hexSum is a SHA-256 in hexadecimal.
func hexSum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// mostBytes bounds a plan's file. That of the largest experiment, with all its profiles, has 1 MB.
const mostBytes = 64 << 20

// ReadPlan reads a plan's file.
func ReadPlan(path string) (*Plan, error) {
	raw, err := readPlan(path)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	p, err := decodePlan(raw)
	if err != nil {
		return nil, fmt.Errorf("read plan %s: %w", path, err)
	}
	return p, nil
}

func readPlan(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		return nil, fmt.Errorf("%s: %w", path, file.Err)
	}
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case st.Size() > mostBytes:
		return nil, fmt.Errorf("%s has %d bytes, more than %d: it is no plan", path, st.Size(), mostBytes)
	}
	return os.ReadFile(path)
}

func decodePlan(raw []byte) (*Plan, error) {
	p := &Plan{}
	if err := decode(raw, planTool, planSchema, p); err != nil {
		return nil, err
	}
	return p, p.check()
}

// decode reads a file of a tool, of a version, without unknown keys.
func decode(raw []byte, tool string, schema int, into any) error {
	var mark struct {
		Tool   string `json:"tool"`
		Schema int    `json:"schema"`
	}
	err := json.Unmarshal(raw, &mark)
	if other := (*json.UnmarshalTypeError)(nil); errors.As(err, &other) {
		return fmt.Errorf("it is not of %s", tool)
	}
	if err != nil {
		return fmt.Errorf("it is not JSON, or is cut off: %w", err)
	}
	if mark.Tool != tool {
		return fmt.Errorf("it is not of %s", tool)
	}
	if mark.Schema != schema {
		return fmt.Errorf("it is of version %d, this program reads %d", mark.Schema, schema)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// check returns an error for a plan that New cannot have made.
func (p *Plan) check() error {
	if len(p.Runs) == 0 {
		return errors.New("it has no runs")
	}
	if p.Shards < 1 || p.Shards > mostShards {
		return fmt.Errorf("it has %s", harness.Plural(p.Shards, "shard"))
	}
	names := map[string]bool{}
	for _, r := range p.Runs {
		if err := harness.CheckName("run", r.Name); err != nil {
			return err
		}
		if names[r.Name] {
			return fmt.Errorf("it has the run %s twice", r.Name)
		}
		names[r.Name] = true
		jobs := map[string]bool{}
		for _, g := range r.Guests {
			if g.Shard < 1 || g.Shard > p.Shards {
				return fmt.Errorf("run %s: guest %q is in shard %d of %d", r.Name, g.Job, g.Shard, p.Shards)
			}
			if jobs[g.Job] {
				return fmt.Errorf("run %s: it has the guest %q twice", r.Name, g.Job)
			}
			jobs[g.Job] = true
		}
	}
	return nil
}

// CheckTasks returns an error unless a run has just these guests: another version of this program cuts other guests.
func (r Run) CheckTasks(tasks []runner.Task) error {
	same := slices.EqualFunc(r.Guests, tasks, func(g Guest, t runner.Task) bool {
		return g.Job == t.Job && g.Trials == t.Trials && slices.Equal(g.Cells, t.Cells)
	})
	if !same {
		return fmt.Errorf("run %s: this program would boot other guests than the plan lists: make the plan anew with this version", r.Name)
	}
	return nil
}

// Of is how many guests and trials a shard has.
func (p *Plan) Of(shard int) (guests, trials int) {
	for _, r := range p.Runs {
		for _, g := range r.Guests {
			if g.Shard == shard {
				guests, trials = guests+1, trials+g.Trials
			}
		}
	}
	return guests, trials
}

// Has reports whether a shard has guests of the run.
func (r Run) Has(shard int) bool {
	return slices.ContainsFunc(r.Guests, func(g Guest) bool { return g.Shard == shard })
}

// Job finds a guest of a run by the name of its job; -1 if there is none.
func (r Run) Job(name string) int {
	return slices.IndexFunc(r.Guests, func(g Guest) bool { return g.Job == name })
}
