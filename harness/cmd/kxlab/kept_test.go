// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

// damage flips a bit in the middle of each file of a folder.
func damage(t *testing.T, dir string) {
	t.Helper()
	all := cache.Files(dir)
	if len(all) == 0 {
		t.Fatalf("no file in %s", dir)
	}
	for _, f := range all {
		raw, err := os.ReadFile(f.Path)
		if err == nil {
			raw[len(raw)/2] ^= 4
			err = os.WriteFile(f.Path, raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamagedKept: of what earlier commands kept, a file that is missing is no news, one that is whole is used, and one with a flipped bit is
// not: a line says so.
func TestDamagedKept(t *testing.T) {
	t.Setenv(cache.Env, t.TempDir())
	plan := &runner.Plan{Experiment: harness.Experiment{Name: "x"}, Target: harness.TargetHost}
	gate := record.Gate{Where: "group", Variant: "v", Passed: true, Detail: "0123456789"}
	for _, c := range []struct {
		what, folder, line string
		find               func(ctx context.Context) bool
		keep               func()
	}{
		{"gate", "gates", "of a gate in the cache is damaged (", func(ctx context.Context) bool {
			k, err := openKeptGates(ctx, job{plan: plan}, 1)
			if err != nil {
				t.Fatal(err)
			}
			g, ok := k.Gate("group", "v")
			return ok && g.Detail == gate.Detail
		}, func() {
			k, err := openKeptGates(t.Context(), job{plan: plan}, 1)
			if err != nil {
				t.Fatal(err)
			}
			k.Keep(gate)
		}},
		{"report", "reports", "of an earlier guest in the cache is damaged (", func(ctx context.Context) bool {
			r, err := openReports(false)
			if err != nil {
				t.Fatal(err)
			}
			out, ok := r.find(ctx, "digest")
			return ok && string(out.Lines) == "lines"
		}, func() {
			r, err := openReports(false)
			if err != nil {
				t.Fatal(err)
			}
			r.keep("digest", vm.Ready{}, []byte("lines"))
		}},
	} {
		var said []string
		ctx := cache.WithNote(t.Context(), func(text string) { said = append(said, text) })
		if c.find(ctx) || len(said) > 0 {
			t.Errorf("%s: found before it was kept, or said %q", c.what, said)
		}
		c.keep()
		if !c.find(ctx) || len(said) > 0 {
			t.Errorf("%s: not found, or said %q", c.what, said)
		}
		dir, err := cache.Dir(c.folder)
		if err != nil {
			t.Fatal(err)
		}
		damage(t, dir)
		for range 2 { // a second look says nothing new
			if c.find(ctx) {
				t.Errorf("%s: found although damaged", c.what)
			}
		}
		if len(said) != 1 || !strings.Contains(said[0], c.line) || !strings.Contains(said[0], dir) || !strings.HasSuffix(said[0], " anew") {
			t.Errorf("%s: said %q", c.what, said)
		}
		c.keep()
		if !c.find(ctx) {
			t.Errorf("%s: not found after it was made anew", c.what)
		}
	}
}

// TestDamagedHeaders: a header with a flipped bit is written anew, and a line says so.
func TestDamagedHeaders(t *testing.T) {
	t.Setenv(cache.Env, t.TempDir())
	var said []string
	ctx := cache.WithNote(t.Context(), func(text string) { said = append(said, text) })
	headers := map[string]string{"a.h": "/* a */\n", "b.h": "/* b */\n"}
	dir, err := keptHeaders(ctx, headers)
	if err != nil || len(said) > 0 {
		t.Fatal(err, said)
	}
	damage(t, dir)
	if _, err := keptHeaders(ctx, headers); err != nil || len(said) != 2 || !strings.Contains(strings.Join(said, "\n"), filepath.Join(dir, "a.h")+" in the cache is damaged") {
		t.Errorf("%v: said %q", err, said)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "a.h")); err != nil || string(raw) != headers["a.h"] {
		t.Errorf("%v: %q", err, raw)
	}
}
