// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/labtest"
)

// TestBisection: at whichever place a figure moves, the place is found with as many trials as halving takes; places that cannot be measured
// are passed over, and stand in the range if the move may be theirs.
func TestBisection(t *testing.T) {
	broken := errors.New("does not build")
	for places := 2; places < 70; places++ {
		for at := 1; at < places; at++ {
			for bad := 0; bad < places; bad += max(1, places/5) { // 0: none, as the first was measured
				tried := map[int]int{}
				b := bisection{places: places, whole: 1, by: func(i int) (float64, error) {
					tried[i]++
					if bad > 0 && i == bad {
						return 0, broken
					}
					return float64(min(1, i/at)), nil
				}}
				before, behind, err := b.run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				want := behind == at && before == at-1
				if bad > 0 && bad < places-1 && (bad == at || bad == at-1) {
					want = before < at && behind >= at && behind-before <= 2
				}
				if !want {
					t.Errorf("%d places, moved at %d, %d broken: between %d and %d", places, at, bad, before, behind)
				}
				most := bits.Len(uint(places-1)) + 1
				for i, n := range tried {
					if n > 1 || i == 0 || i == places-1 {
						t.Errorf("place %d of %d was tried %d times", i, places, n)
					}
				}
				if len(tried) > most {
					t.Errorf("%d places, moved at %d: %d trials, want %d at most", places, at, len(tried), most)
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	b := bisection{places: 9, whole: 1, by: func(int) (float64, error) { cancel(); return 0, context.Canceled }}
	if _, _, err := b.run(ctx); !errors.Is(err, context.Canceled) || len(b.passed) > 0 {
		t.Errorf("ended: %v, %v", err, b.passed)
	}
}

// TestBisectionSteps: where a figure moves there and back, or in many steps, the step that is found is one of them, its own size is said, and that
// there are others.
func TestBisectionSteps(t *testing.T) {
	name := func(i int) string { return fmt.Sprint("place ", i) }
	for what, tt := range map[string]struct {
		at             []float64
		before, behind int
		step           float64
		rest           string
	}{
		"one":       {[]float64{0, 0, 0.1, 0.1}, 1, 2, 0.1, ""},
		"back":      {[]float64{0, 0.073, -0.023}, 0, 1, 0.073, "+7.3 % at place 1, -2.3 % at place 2"},
		"many":      {[]float64{0, 0.1, 0.21, 0.331, 0.4641}, 2, 3, 0.1, "+21.0 % at place 2, +33.1 % at place 3, +46.4 % at place 4"},
		"almost":    {[]float64{0, 0.002, 0.1, 0.1}, 1, 2, 0.0978, ""},
		"two ways":  {[]float64{0, -0.2, -0.2, 0.05}, 0, 1, -0.2, "-20.0 % at place 1, +5.0 % at place 3"},
		"only ends": {[]float64{0, 0.5}, 0, 1, 0.5, ""},
	} {
		b := bisection{places: len(tt.at), whole: tt.at[len(tt.at)-1], by: func(i int) (float64, error) { return tt.at[i], nil }}
		before, behind, err := b.run(t.Context())
		if err != nil || before != tt.before || behind != tt.behind || math.Abs(b.step(before, behind)-tt.step) > 1e-4 {
			t.Errorf("%s: between %d and %d, a step of %.4f, %v", what, before, behind, b.step(before, behind), err)
		}
		if got := b.rest(before, behind, name); (got == "") != (tt.rest == "") || !strings.Contains(got, tt.rest) {
			t.Errorf("%s: %q, want %q", what, got, tt.rest)
		}
	}
}

// counting is a program that counts n and says which commit it is of.
func counting(n int, note string) string {
	return `// ` + note + `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
volatile const unsigned note = ` + note + `;
SEC("xdp") int count(struct xdp_md *ctx)
{
	unsigned long n = 1;
	asm volatile(".rept ` + strings.Repeat("1+", n) + `0\n%0 += 1\n.endr" : "+r"(n));
	return XDP_PASS;
}
char _license[] SEC("license") = "GPL";
`
}

// TestBisect: in a repository of eight commits, one of which does not compile, the commit that made a program more expensive is found, with the
// function that it changed.
func TestBisect(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("a minute of guests: make soak runs it")
	}
	repo := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=a", "-c", "user.email=a@b"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet")
	for i := range 8 {
		n := 5
		if i >= 5 {
			n = 40
		}
		text := counting(n, string(rune('0'+i)))
		if i == 3 {
			text += "broken("
		}
		if err := os.WriteFile(filepath.Join(repo, "count.bpf.c"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		git("add", "-A")
		git("commit", "--quiet", "-m", "commit "+string(rune('0'+i)))
	}
	t.Chdir(repo)
	code, out, errs := try(t, "bisect", "HEAD~7", "HEAD", "count.bpf.c", "--like", "prog")
	for _, want := range []string{git("rev-parse", "HEAD~2") + " commit 5", "moved run", "count [bpf]", "+35.0"} {
		if !strings.Contains(out, want) {
			t.Errorf("code %d, it does not say %q:\n%s%s", code, want, out, errs)
		}
	}
	if !strings.Contains(errs, "commit 3: passed over") {
		t.Errorf("it does not say what it passed over:\n%s", errs)
	}
}

// TestBisectOutputs: where GOOD and BAD do other things, no cost is sought unless that is allowed, and git bisect takes the commit for bad.
func TestBisectOutputs(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("some guests: make soak runs it")
	}
	repo := openFolder(t)
	git := gitIn(t, repo)
	git("", "init", "--quiet")
	for i, text := range []string{counting(5, "0"), strings.Replace(counting(40, "0"), "XDP_PASS", "XDP_DROP", 1)} {
		if err := os.WriteFile(filepath.Join(repo, "count.bpf.c"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		git("", "add", "-A")
		git("", "commit", "--quiet", "-m", fmt.Sprint("commit ", i))
	}
	t.Chdir(repo)
	for _, tt := range []struct {
		words string
		code  int
		want  string
	}{
		{"bisect HEAD^ HEAD count.bpf.c --like prog", codeFailed, "the outputs of A and B differ"},
		{"bisect HEAD^ HEAD count.bpf.c --like prog --allow-difference", codeDone, "commit 1"},
		{"ab HEAD^:count.bpf.c HEAD:count.bpf.c --like prog --bisect-run", codeRegression, "the outputs of A and B differ"},
	} {
		if code, out, errs := try(t, strings.Fields(tt.words)...); code != tt.code || !strings.Contains(out+errs, tt.want) {
			t.Errorf("%s: code %d, want %d and %q:\n%s%s", tt.words, code, tt.code, tt.want, out, errs)
		}
	}
}

// TestBisectMistakes: what cannot be a bisection is said before anything is measured.
func TestBisectMistakes(t *testing.T) {
	repo := t.TempDir()
	if out, err := exec.Command("git", "-C", repo, "init", "--quiet").CombinedOutput(); err != nil {
		t.Skipf("git: %v: %s", err, out)
	}
	for i := range 2 {
		if out, err := exec.Command("git", "-C", repo, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", string(rune('a'+i))).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	t.Chdir(repo)
	for name, tt := range map[string]struct {
		args string
		code int
		want string
	}{
		"host":       {"HEAD^ HEAD p.bpf.c --target host", codeUsage, "target exact"},
		"out":        {"HEAD^ HEAD p.bpf.c --out d", codeUsage, "no run directory"},
		"two":        {"HEAD p.bpf.c", codeUsage, "GOOD, BAD and PROGRAM"},
		"one kernel": {"p.bpf.c --kernel 7.2", codeUsage, "at least two"},
		"kernels":    {"HEAD^ HEAD p.bpf.c --kernel 6.12,7.2", codeUsage, "one kernel"},
		"variant":    {"HEAD^ HEAD xdp-dsr", codeUsage, "no source or object"},
		"revision":   {"none HEAD p.bpf.c", codeUsage, `revision "none"`},
		"order":      {"HEAD HEAD^ p.bpf.c", codeUsage, "swap them"},
		"same":       {"HEAD HEAD p.bpf.c", codeUsage, "the same commit"},
		"no file":    {"HEAD^ HEAD p.bpf.c", codeFailed, "p.bpf.c"},
		"effect":     {"HEAD^ HEAD p.bpf.c --min-effect much", codeUsage, "--min-effect"},
	} {
		if code, out, errs := try(t, append([]string{"bisect"}, strings.Fields(tt.args)...)...); code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: code %d, want %d and %q:\n%s%s", name, code, tt.code, tt.want, out, errs)
		}
	}
}
