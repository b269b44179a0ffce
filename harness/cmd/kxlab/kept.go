// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/harness/sys"
)

// gatesMax is how many verdicts of gates the cache holds; those used longest ago go first.
const gatesMax = 4096

// gateKey is all that decides a gate besides its group and its variant.
type gateKey struct {
	Lab        string // SHA-256 of this program: the objects, the gates, the families
	Experiment harness.Experiment
	Objects    map[string]string // that the program does not have: their SHA-256
	Target     string
	Kernel     []string
	CPUs       int
	Memory     int64 // bytes
	Seed       uint64
	Tools      []string
}

// keptGates are verdicts of gates in the cache, a file each.
type keptGates struct {
	dir     string
	base    string                       // SHA-256 of the gateKey
	fresh   bool                         // a verdict that is asked for is removed, and made anew
	damaged func(path string, err error) // notes that a file cannot be used
}

var _ runner.Kept = (*keptGates)(nil)

// openKeptGates opens the verdicts that hold for a job.
func openKeptGates(ctx context.Context, j job, seed uint64) (*keptGates, error) {
	lab, err := selfSum()
	if err != nil {
		return nil, err
	}
	key := gateKey{Lab: lab, Experiment: j.plan.Experiment, Target: j.plan.Target, Seed: seed, Objects: map[string]string{}}
	for name, raw := range j.objects {
		key.Objects[name] = fmt.Sprintf("%x", sha256.Sum256(raw))
	}
	if g := j.guests; g != nil {
		key.Kernel, key.CPUs, key.Memory = []string{g.kernel.Release, g.root(), fileState(g.kernel.Image)}, g.cpus, g.memory
	} else {
		for _, path := range []string{"/proc/version", "/proc/sys/kernel/random/boot_id"} {
			raw, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			key.Kernel = append(key.Kernel, strings.TrimSpace(string(raw)))
		}
	}
	tools := slices.Clone(j.plan.Experiment.Guest.Tools)
	for _, v := range j.plan.Experiment.Variants {
		if v.Command != nil {
			tools = append(tools, needs(v.Command)...)
		}
	}
	for _, name := range tools {
		path, err := sys.LookTool(name)
		if err == nil || filepath.IsAbs(name) {
			key.Tools = append(key.Tools, fileState(cmp.Or(path, name)))
		}
	}
	dir, err := cache.Dir("gates")
	if err != nil {
		return nil, err
	}
	cache.Prune(dir, gatesMax)
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode(key); err != nil {
		return nil, err
	}
	damaged := func(path string, err error) {
		cache.Damaged(ctx, "the verdict "+path+" of a gate", err, "the gate is checked anew")
	}
	return &keptGates{dir: dir, base: hex.EncodeToString(sum.Sum(nil)), damaged: damaged}, nil
}

// keptGates opens the verdicts of gates that hold for the job; nil if there can be none.
func (j *job) keptGates(ctx context.Context, s streams, f runFlags) runner.Kept {
	k, err := openKeptGates(ctx, *j, f.seed)
	if err != nil {
		s.note("no kept gates: %v: every gate is checked", err)
		return nil
	}
	k.fresh = f.fresh
	return k
}

// selfSum is the SHA-256 of the running program.
func selfSum() (string, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// fileState is a file's path, size and time of change.
func fileState(path string) string {
	st, err := os.Stat(path)
	if err != nil {
		return path
	}
	return fmt.Sprintf("%s %d %d", path, st.Size(), st.ModTime().UnixNano())
}

func (k *keptGates) path(group, variant string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %q %q", k.base, group, variant))
	return filepath.Join(k.dir, hex.EncodeToString(sum[:]))
}

// Gate reads a verdict. One that cannot be read is none, and is noted (cache.WithNote).
func (k *keptGates) Gate(group, variant string) (g record.Gate, ok bool) {
	path := k.path(group, variant)
	if k.fresh {
		_ = os.Remove(path) // what the gate says now counts, also if it fails
		return record.Gate{}, false
	}
	err := readKept(path, &g)
	if err == nil && (g.Where != group || g.Variant != variant || !g.Passed || g.Kept == nil) {
		err = errors.New("it is of another gate")
	}
	if err != nil {
		k.damaged(path, err)
		return record.Gate{}, false
	}
	cache.Touch(path)
	return g, true
}

// Keep writes a verdict down. Without it the gate is checked again.
func (k *keptGates) Keep(g record.Gate) {
	now := time.Now().UTC().Truncate(time.Second)
	g.Kept = &now
	_ = writeKept(k.path(g.Where, g.Variant), g)
}

// keptNote says how many gates were kept.
func keptNote(kept []record.Gate) string {
	first := slices.MinFunc(kept, func(a, b record.Gate) int { return a.Kept.Compare(*b.Kept) })
	return fmt.Sprintf("%s kept, the first passed on %s; --fresh checks them anew", harness.Plural(len(kept), "gate"), first.Kept.Format("2006-01-02 15:04 MST"))
}
