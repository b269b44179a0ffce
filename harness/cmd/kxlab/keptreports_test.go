// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/cache"
)

// TestKeptReports: a guest whose report is kept does not run again and gives the same digits; --fresh, another seed, a changed program
// and a damaged report make it run.
func TestKeptReports(t *testing.T) {
	needsGuests(t)
	dir := t.TempDir()
	copyPrograms(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "one.bin"), bytes.Repeat([]byte{7}, 64), 0o644); err != nil {
		t.Fatal(err)
	}
	own := ownReports(t)
	folder := filepath.Join(own, "reports")
	const seed = 7
	n := 0
	var said []byte                                   // by the last run
	run := func(kept string, args ...string) string { // what was measured
		t.Helper()
		n++
		out := fmt.Sprint("run", n)
		cmd, errs := command(t, dir, append([]string{"ab", "base.bpf.o", "--input", "one.bin", "--repeat", "2", "--out", out}, args...)...)
		cmd.Env = append(cmd.Env, "KXLAB_FRESH=false", cache.Env+"="+own)
		var err error
		if said, err = cmd.Output(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, errs)
		}
		var notes []string
		for line := range strings.Lines(errs.String()) {
			if strings.Contains(line, " kept, the first of 20") {
				notes = append(notes, strings.TrimPrefix(line[:strings.Index(line, " kept")], "kxlab: prog: the reports of "))
			}
		}
		if got := strings.Join(notes, ", "); got != kept {
			t.Errorf("%q: kept %q, want %q: %s", args, got, kept, errs)
		}
		var all []byte
		for _, file := range []string{"bench.txt", "samples.jsonl"} {
			raw, err := os.ReadFile(filepath.Join(dir, out, file))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, raw...)
		}
		return string(all)
	}
	list := func() []string {
		all, _ := filepath.Glob(filepath.Join(folder, "*"))
		return all
	}
	one := []string{"plus8.bpf.o", "--seed", fmt.Sprint(seed)}
	first := run("", one...)
	made := list()
	if len(made) != 3 {
		t.Errorf("%d reports, want one of the guest that measured and one of each side's that counted by function", len(made))
	}
	if got := run("1 of 1 guest", one...); got != first {
		t.Errorf("other digits:\n%s\n%s", got, first)
	}
	const alone = "--format=json" // an answer without functions, whose counting takes two more guests
	if got := run("", append(one, "--fresh", alone)...); got != first {
		t.Errorf("other digits:\n%s\n%s", got, first)
	}
	other := []string{"plus8.bpf.o", "--seed", fmt.Sprint(seed + 1), alone}
	fresh := run("", append(other, "--fresh")...)
	if got := run("1 of 1 guest", other...); got != fresh { // what --fresh measured is kept
		t.Errorf("other digits:\n%s\n%s", got, fresh)
	}
	run("", "head.bpf.o", "--allow-difference", "--seed", fmt.Sprint(seed))
	for _, want := range []string{"outputs: they differ for 1 of 1 input",
		"Different outputs, A | B\n  one: returns XDP_PASS (2) | XDP_TX (3); packet has 64 | 68 bytes, byte 0 is 0x07 | 0xee"} {
		if !bytes.Contains(said, []byte(want)) {
			t.Errorf("other outputs, allowed: no %q: %s", want, said)
		}
	}
	for _, p := range made {
		raw, err := os.ReadFile(p)
		if err == nil {
			raw[len(raw)-20] ^= 1
			err = os.WriteFile(p, raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := run("", append(one, alone)...); got != first {
		t.Errorf("other digits:\n%s\n%s", got, first)
	}
}

// ownReports is a cache with the kernels, images and snapshots of this machine's, and reports of its own: others may make reports meanwhile.
func ownReports(t *testing.T) string {
	t.Helper()
	shared, err := cache.Dir()
	if err != nil {
		t.Fatal(err)
	}
	parts, err := os.ReadDir(shared)
	if err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	for _, p := range parts {
		if p.Name() == "reports" {
			continue
		}
		if err := os.Symlink(filepath.Join(shared, p.Name()), filepath.Join(own, p.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return own
}
