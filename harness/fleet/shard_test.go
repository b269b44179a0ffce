// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/runner"
)

// TestMend: files of a complete shard that are lost or damaged are made again, those of a guest's later attempts with them.
func TestMend(t *testing.T) {
	p := testPlan(t, 1, 1)
	const first, second = "run1-guest002-1.json.gz", "run1-guest002-2.json.gz"
	for name, spoil := range map[string]func(dir string) error{
		"lost":             func(dir string) error { return os.Remove(filepath.Join(dir, first)) },
		"damaged":          func(dir string) error { return os.Truncate(filepath.Join(dir, first), 30) },
		"a lost last file": func(dir string) error { return os.Remove(filepath.Join(dir, second)) },
		"sound":            func(string) error { return nil },
	} {
		dir := filepath.Join(t.TempDir(), "s")
		write(t, dir, p, header(1), 4)
		s, err := Begin(dir, p, header(1))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Keep(0, 1, 1, Attempt{}), s.Finish(), spoil(dir)); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if s, err = Begin(dir, p, header(1)); err != nil {
			t.Fatal(err)
		}
		if s.Complete != (name == "sound") || (len(s.Mended) == 1) != (name == "damaged") {
			t.Errorf("%s: complete %v, mended %v", name, s.Complete, s.Mended)
		}
		_, ferr := os.Stat(filepath.Join(dir, first))
		_, serr := os.Stat(filepath.Join(dir, second))
		if (ferr == nil) != (name == "sound" || name == "a lost last file") || (serr == nil) != (name == "sound") {
			t.Errorf("%s: left: %v, %v", name, ferr, serr)
		}
		if _, err := s.Attempt(1, 1, 0); err != nil {
			t.Errorf("%s: another guest: %v", name, err)
		}
		s.Close()
	}
}

// TestGoOn: a shard that was interrupted goes on, and takes no other's folder.
func TestGoOn(t *testing.T) {
	p := testPlan(t, 1, 1)
	dir := filepath.Join(t.TempDir(), "s")
	write(t, dir, p, header(1), 2)
	s, err := Begin(dir, p, header(1))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := s.Attempt(0, 1, 0); err != nil || string(a.Report) != "lbrepeat 2" {
		t.Errorf("an old guest: %q %v", a.Report, err)
	}
	if _, err := Begin(dir, p, header(1)); err == nil || !strings.Contains(err.Error(), "another process is writing there") {
		t.Errorf("two writers: %v", err)
	}
	s.Close()
	other := header(1)
	other.Lab = "other"
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "mine.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, begin := range map[string]func() (*Shard, error){
		"it holds a shard of another plan":            func() (*Shard, error) { return Begin(dir, testPlan(t, 1, 2), header(1)) },
		"it holds guests of another version of kxlab": func() (*Shard, error) { return Begin(dir, p, other) },
		"it holds other files":                        func() (*Shard, error) { return Begin(foreign, p, header(1)) },
	} {
		if _, err := begin(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestBadPlans: a plan's file that New cannot have made is refused.
func TestBadPlans(t *testing.T) {
	raw, err := testPlan(t, 2, 1).Encode()
	if err != nil {
		t.Fatal(err)
	}
	good := string(raw)
	for want, text := range map[string]string{
		"it is not JSON, or is cut off":       good[:len(good)/2],
		"it is not of kxlab plan":             strings.Replace(good, `"kxlab plan"`, `"other"`, 1),
		"it is of version 3":                  strings.Replace(good, `"schema": 1`, `"schema": 3`, 1),
		"unknown field":                       strings.Replace(good, `"shards"`, `"more": 1, "shards"`, 1),
		`guest "repeat 1" is in shard 3 of 2`: strings.Replace(good, `"shard": 1`, `"shard": 3`, 1),
		`it has the guest "repeat 1" twice`:   strings.Replace(good, `"repeat 2"`, `"repeat 1"`, 1),
		"it has the run cc twice":             strings.Replace(good, `"name": "lb"`, `"name": "cc"`, 1),
		"it has 0 shards":                     strings.Replace(good, `"shards": 2`, `"shards": 0`, 1),
	} {
		path := filepath.Join(t.TempDir(), "plan.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPlan(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := errors.Join(os.WriteFile(large, nil, 0o644), os.Truncate(large, mostBytes+1)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/dev/zero": "/dev/zero is not a regular file", large: "it is no plan", "/nowhere/plan": "no such file"} {
		if _, err := ReadPlan(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := decodePlan([]byte("[1]")); err == nil || err.Error() != "it is not of kxlab plan" {
		t.Errorf("JSON that is no plan: %v", err)
	}
	p, err := decodePlan(raw)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.Encode(); err != nil || string(again) != good {
		t.Errorf("a plan that was read and written is another: %v", err)
	}
	if err := p.Runs[0].CheckTasks([]runner.Task{{Job: "repeat 1"}}); err == nil {
		t.Error("other guests than the plan's pass")
	}
}
