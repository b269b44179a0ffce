// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
)

// testPlan has two runs of two guests each.
func testPlan(t *testing.T, shards int, seed uint64) *Plan {
	t.Helper()
	var runs []Run
	var tasks [][]runner.Task
	for _, name := range []string{"lb", "cc"} {
		runs = append(runs, Run{Name: name, Seed: seed, Experiment: harness.Experiment{Name: name}})
		var of []runner.Task
		for i := range 2 {
			of = append(of, runner.Task{Job: fmt.Sprintf("repeat %d", i+1), Trials: i + 1, Guess: time.Second, Cells: []string{"A", "B"}})
		}
		tasks = append(tasks, of)
	}
	p, err := New(runs, tasks, shards)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func header(shard int) Header {
	h := Header{Shard: shard, Machine: fmt.Sprintf("m%d", shard), Lab: "lab", Guests: map[string]string{}, Envs: map[string]record.Env{}}
	for _, name := range []string{"lb", "cc"} {
		h.Guests[name] = "digest"
		h.Envs[name] = record.Env{Experiment: name, Kernel: "7.2", QEMU: "7.2.22", CPU: "TCG"}
	}
	return h
}

// write makes a shard's folder, with the reports of its first guests; all if guests < 0.
func write(t *testing.T, dir string, p *Plan, h Header, guests int) {
	t.Helper()
	s, err := Begin(dir, p, h)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, r := range p.Runs {
		for k, g := range r.Guests {
			if g.Shard != h.Shard || guests == 0 {
				continue
			}
			guests--
			if err := s.Keep(i, k, 0, Attempt{Report: []byte(r.Name + g.Job)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if guests < 0 {
		if err := s.Finish(); err != nil {
			t.Fatal(err)
		}
	}
}

// whole makes the folders 1, 2 and so on of a plan's shards.
func whole(t *testing.T, p *Plan) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for n := 1; n <= p.Shards; n++ {
		write(t, filepath.Join(dir, fmt.Sprint(n)), p, header(n), -1)
	}
	return dir
}

// TestWholeSets: shards of any number have every report once.
func TestWholeSets(t *testing.T) {
	for _, shards := range []int{1, 2, 3, 4, 7} {
		p := testPlan(t, shards, 1)
		set, faults, err := Gather([]string{whole(t, p)})
		if err != nil || len(faults) > 0 {
			t.Fatalf("%d shards: %v %v", shards, faults, err)
		}
		for i, r := range p.Runs {
			for k, g := range r.Guests {
				if a, err := set.Attempt(i, k, 0); err != nil || string(a.Report) != r.Name+g.Job {
					t.Errorf("%d shards: run %s guest %s: got %q %v", shards, r.Name, g.Job, a.Report, err)
				}
				if _, err := set.Attempt(i, k, 1); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%d shards: a second attempt of %s: %v", shards, g.Job, err)
				}
			}
		}
		if env, ok := set.Env("cc"); !ok || env.Experiment != "cc" {
			t.Errorf("%d shards: env %+v %v", shards, env, ok)
		}
		set.Close()
	}
}

// TestFaultySets: each way in which shards are not the whole plan is named, and it alone.
func TestFaultySets(t *testing.T) {
	at := func(parts ...string) string { return filepath.Join(parts...) }
	must := func(t *testing.T, err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	flip := func(t *testing.T, path string) {
		raw, err := os.ReadFile(path)
		must(t, err)
		raw[len(raw)/2] ^= 1
		must(t, os.WriteFile(path, raw, 0o644))
	}
	again := func(change func(*Header)) func(*testing.T, string, *Plan) {
		return func(t *testing.T, dir string, p *Plan) {
			must(t, os.RemoveAll(at(dir, "3")))
			h := header(3)
			change(&h)
			write(t, at(dir, "3"), p, h, -1)
		}
	}
	const guest = "run2-guest001-1.json.gz" // of shard 3
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, dir string, p *Plan)
		want  string
		gone  bool // shard 3 is not in the set
	}{
		"lost": {func(t *testing.T, dir string, _ *Plan) { must(t, os.RemoveAll(at(dir, "3"))) }, "shard 3 of 4 is missing: 1 guest, 1 trial", true},
		"doubled": {func(t *testing.T, dir string, p *Plan) { write(t, at(dir, "other"), p, header(3), -1) },
			"shard 3 of 4 is there twice: DIR/3 and DIR/other", false},
		"foreign": {func(t *testing.T, dir string, _ *Plan) {
			write(t, at(dir, "other"), testPlan(t, 4, 2), header(3), -1)
		}, "shard 3 of 4 (DIR/other) is of another plan, lb (, seed 2), cc (, seed 2) in 4 shards", false},
		"half": {func(t *testing.T, dir string, p *Plan) {
			must(t, os.RemoveAll(at(dir, "3")))
			write(t, at(dir, "3"), p, header(3), 0)
		}, "shard 3 of 4 (DIR/3) is half made: 0 of 1 guest ended", false},
		"late": {func(t *testing.T, dir string, p *Plan) {
			must(t, os.RemoveAll(at(dir, "3")))
			s, err := Begin(at(dir, "3"), p, header(3))
			must(t, err)
			t.Cleanup(s.Close)
		}, "shard 3 of 4 (DIR/3) is still being made: 0 of 1 guest ended", false},
		"a lost guest": {func(t *testing.T, dir string, _ *Plan) { must(t, os.Remove(at(dir, "3", guest))) },
			"shard 3 of 4 (DIR/3) lacks " + guest + "; kxlab run --shard 3/4 with --out DIR/3 makes it again", false},
		"a damaged guest": {func(t *testing.T, dir string, _ *Plan) { flip(t, at(dir, "3", guest)) }, "DIR/3/" + guest + " is damaged", false},
		"a guest that is a FIFO": {func(t *testing.T, dir string, _ *Plan) {
			must(t, os.Remove(at(dir, "3", guest)))
			must(t, syscall.Mkfifo(at(dir, "3", guest), 0o644))
		}, "DIR/3/" + guest + " is damaged: " + guest + " is not a regular file", false},
		"a guest that is a link": {func(t *testing.T, dir string, _ *Plan) {
			must(t, os.Remove(at(dir, "3", guest)))
			must(t, os.Symlink("/etc/passwd", at(dir, "3", guest)))
		}, "DIR/3/" + guest + " is damaged: " + guest + " leads out of the directory", false},
		"a guest of another plan": {func(t *testing.T, dir string, _ *Plan) {
			other := filepath.Join(t.TempDir(), "other")
			write(t, other, testPlan(t, 4, 2), header(3), -1)
			copyFile(t, at(other, guest), at(dir, "3", guest))
		}, "DIR/3/" + guest + " is damaged: it is of another plan", false},
		"a guest of another kernel": {func(t *testing.T, dir string, p *Plan) {
			h := header(3)
			h.Guests["cc"] = "other"
			other := filepath.Join(t.TempDir(), "other")
			write(t, other, p, h, -1)
			copyFile(t, at(other, guest), at(dir, "3", guest))
		}, "DIR/3/" + guest + " is damaged: a guest with another kernel, QEMU or tools made it", false},
		"a lost header": {func(t *testing.T, dir string, _ *Plan) { must(t, os.Remove(at(dir, "3", shardFile))) },
			"open shard DIR/3: it has no shard.json", true},
		"a changed header": {func(t *testing.T, dir string, _ *Plan) {
			raw, err := os.ReadFile(at(dir, "3", shardFile))
			must(t, err)
			must(t, os.WriteFile(at(dir, "3", shardFile), bytes.ReplaceAll(raw, []byte(`"7.2"`), []byte(`"7.3"`)), 0o644))
		}, "open shard DIR/3: header damaged: ", true},
		"a store's folder": {func(t *testing.T, dir string, _ *Plan) {
			must(t, os.WriteFile(at(dir, "3", storeList), nil, 0o644))
		}, "is a folder of kxlab-store: name it by its URL", false},
		"a guest of another's": {func(t *testing.T, dir string, _ *Plan) {
			must(t, os.Rename(at(dir, "4", "run2-guest002-1.json.gz"), at(dir, "3", guest)))
			path := at(dir, "4", "run2-guest002-1.json.gz")
			raw, err := os.ReadFile(at(dir, "3", guest))
			must(t, err)
			must(t, os.WriteFile(path, raw, 0o644))
		}, guest + ` is damaged: it is of the guest "repeat 2" of run cc`, false},
		"a foreign file": {func(t *testing.T, dir string, _ *Plan) {
			must(t, os.WriteFile(at(dir, "3", "run1-guest001-1.json.gz"), nil, 0o644))
		}, "has a foreign file: run1-guest001-1.json.gz", false},
		"another version": {again(func(h *Header) { h.Lab = "other" }), "has guests of another version of kxlab", true},
		"another kernel": {again(func(h *Header) {
			h.Guests["cc"], h.Envs["cc"] = "other", record.Env{Kernel: "7.3", QEMU: "7.2.22", CPU: "TCG"}
		}),
			"has guests with another kernel (7.3, not 7.2)", true},
		"another QEMU": {again(func(h *Header) {
			h.Guests["cc"], h.Envs["cc"] = "other", record.Env{Kernel: "7.2", QEMU: "9", CPU: "TCG"}
		}),
			"has guests with another QEMU (9, not 7.2.22)", true},
		"another image": {again(func(h *Header) { h.Guests["cc"] = "other" }), "has guests with another kernel image, root file system or tools", true},
		"a changed plan": {func(t *testing.T, dir string, _ *Plan) {
			raw, err := testPlan(t, 4, 9).Encode()
			must(t, err)
			must(t, os.WriteFile(at(dir, "3", planFile), raw, 0o644))
		}, "plan.json is not the plan of shard.json", true},
		"a cut header": {func(t *testing.T, dir string, _ *Plan) { must(t, os.Truncate(at(dir, "3", shardFile), 20)) }, "shard.json: it is not JSON, or is cut off", true},
		"a header of another version": {func(t *testing.T, dir string, _ *Plan) {
			must(t, os.WriteFile(at(dir, "3", shardFile), []byte(`{"tool":"kxlab shard","schema":3}`), 0o644))
		}, "it is of version 3, this program reads 2", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlan(t, 4, 1)
			dir := whole(t, p)
			tt.spoil(t, dir, p)
			set, faults, err := Gather([]string{dir})
			if err != nil {
				t.Fatal(err)
			}
			defer set.Close()
			said := strings.ReplaceAll(errors.Join(faults...).Error(), dir, "DIR")
			if !strings.Contains(said, tt.want) {
				t.Errorf("got %s, want %q", said, tt.want)
			}
			for _, n := range []string{"1", "2", "4"} {
				if strings.Contains(said, "shard "+n+" of 4") {
					t.Errorf("it names shard %s, too: %s", n, said)
				}
			}
			if _, err := set.Attempt(0, 0, 0); err != nil {
				t.Errorf("a sound shard: %v", err)
			}
			if whole := set.Whole(); whole < 3 || tt.gone && whole != 3 {
				t.Errorf("%d of 4 shards are whole", whole)
			}
			if (set.shards[3] == nil) != tt.gone {
				t.Errorf("shard 3 left out: %v, want %v", set.shards[3] == nil, tt.gone)
			}
		})
	}
	if _, _, err := Gather([]string{t.TempDir()}); err == nil || !strings.Contains(err.Error(), "there is no shard") {
		t.Errorf("an empty folder: %v", err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, raw, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDeepShards: shards some folders deep are found, and a run directory beside them is left alone.
func TestDeepShards(t *testing.T) {
	p := testPlan(t, 2, 1)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a", "b", "1"), p, header(1), -1)
	write(t, filepath.Join(dir, "a", "2"), p, header(2), -1)
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "merged"), 0o755), os.WriteFile(filepath.Join(dir, "merged", "env.json"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	set, faults, err := Gather([]string{dir})
	if err != nil || len(faults) > 0 || set.Whole() != 2 {
		t.Errorf("%v, %v", faults, err)
	}
	set.Close()
	if set, faults, err = Gather([]string{filepath.Join(dir, "a"), whole(t, testPlan(t, 2, 2))}); err != nil || len(faults) != 2 ||
		!strings.Contains(faults[0].Error(), "; the first is of lb (, seed 1), cc (, seed 1) in 2 shards (") {
		t.Errorf("two plans: %v, %v", faults, err)
	}
	set.Close()
}
