// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

func TestCutKnobs(t *testing.T) {
	for word, want := range map[string][2]string{
		"scx-vtime":                    {"scx-vtime", ""},
		"scx-vtime,slice_us=2000":      {"scx-vtime", "slice_us=2000"},
		"mine.bpf.c":                   {"mine.bpf.c", ""},
		"mine.bpf.c,slice_us=2000":     {"mine.bpf.c", "slice_us=2000"},
		"HEAD^:d/mine.bpf.c,a=1,b=0x2": {"HEAD^:d/mine.bpf.c", "a=1,b=0x2"},
		"mine.bpf.o,a=1":               {"mine.bpf.o", "a=1"},
		"mine,old.bpf.c":               {"mine,old.bpf.c", ""},
		"mine,old.bpf.c,a=1":           {"mine,old.bpf.c", "a=1"},
	} {
		if name, knobs, more := cutKnobs(word); name != want[0] || knobs != want[1] || more != (want[1] != "") {
			t.Errorf("%s: %q and %q, %v", word, name, knobs, more)
		}
	}
}

// ownScheduler puts scx-vtime's object into the folder as mine.bpf.o, and commits it.
func ownScheduler(t *testing.T) {
	t.Helper()
	raw, err := bpf.Bytes("sched/scx_vtime")
	if err == nil {
		err = os.WriteFile("mine.bpf.o", raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"init -q", "add .", "-c user.name=x -c user.email=x commit -q -m x"} {
		if out, err := exec.Command("git", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", args, err, out)
		}
	}
}

// TestOwnKnobs: objects and revisions have knobs as variants have; the same object with other knobs is not the same code.
func TestOwnKnobs(t *testing.T) {
	t.Chdir(t.TempDir())
	ownScheduler(t)
	f := abFlags{runFlags: runFlags{target: harness.TargetExact, profile: "smoke"}}
	for _, tt := range []struct {
		a, b           string
		knobsA, knobsB []harness.Knob
	}{
		{"mine.bpf.o", "mine.bpf.o,slice_us=2000", nil, []harness.Knob{{Name: "slice_us", Value: 2000}}},
		{"mine.bpf.o,slice_us=5000", "HEAD:mine.bpf.o,slice_us=2000,ops_timeout_ms=900", []harness.Knob{{Name: "slice_us", Value: 5000}},
			[]harness.Knob{{Name: "slice_us", Value: 2000}, {Name: "ops_timeout_ms", Value: 900}}},
		{"scx-vtime,slice_us=0x10", "mine.bpf.o", []harness.Knob{{Name: "slice_us", Value: 16}}, nil},
	} {
		p, err := openPair(t.Context(), vocabulary(), f, tt.a, tt.b)
		if err != nil {
			t.Errorf("%s, %s: %v", tt.a, tt.b, err)
			continue
		}
		if !slices.Equal(p.a.Knobs, tt.knobsA) || !slices.Equal(p.b.Knobs, tt.knobsB) {
			t.Errorf("%s, %s: knobs %v and %v", tt.a, tt.b, p.a.Knobs, p.b.Knobs)
		}
		if _, same := p.sameCode(f.progFlags); same {
			t.Errorf("%s and %s are the same code", tt.a, tt.b)
		}
		if p.words != [2]string{tt.a, tt.b} || strings.Contains(p.b.Object, ",") {
			t.Errorf("words %q, object %q", p.words, p.b.Object)
		}
	}
	if path, err := inFolders([]string{"."}, "mine,slice_us=3"); path != "mine.bpf.o,slice_us=3" || err != nil {
		t.Errorf("%q, %v", path, err)
	}
}

// TestOwnKnobsRefused: a knob that is none, is no number, or does not fit is said before a guest boots, of variants and objects alike.
func TestOwnKnobsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	ownScheduler(t)
	for _, of := range []string{"HEAD:mine.bpf.o", "scx-vtime"} {
		for knobs, want := range map[string]string{
			"slice_su=1":            `unknown knob of ` + of + ` "slice_su", did you mean "slice_us"?`,
			"sched_exit=1":          `unknown knob of ` + of + ` "sched_exit"`, // a variable, but no knob
			"slice_us":              of + `: "slice_us" is not KNOB=NUMBER, such as slice_us=2000`,
			"":                      of + `: "" is not KNOB=NUMBER, such as slice_us=2000`,
			"slice_us=fast":         of + `: knob slice_us: "fast" is not a whole number from 0 to 2^64-1, such as 2000 or 0x7d0`,
			"slice_us=-1":           `"-1" is not a whole number`,
			"slice_us=1,slice_us=2": of + ": knob slice_us is set twice",
			"ops_flags=1,slice_us=99999999999999999999": `"99999999999999999999" is not a whole number from 0 to 2^64-1`,
			"ops_timeout_ms=5000000000":                 of + ",ops_timeout_ms=5000000000: knob ops_timeout_ms: 5000000000 does not fit into 4 bytes",
		} {
			code, out, said := try(t, "ab", "eevdf", of+","+knobs)
			if code != codeUsage || !strings.Contains(said, want) || out != "" || strings.Contains(said, "strconv") {
				t.Errorf("%s,%s: exit code %d, %q; want %q", of, knobs, code, said, want)
			}
		}
	}
}
