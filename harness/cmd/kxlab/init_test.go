// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/harness/labtest"
)

// TestInit: each starting point compiles with the headers beside it alone, its definition is right, and its Makefile names a pair that
// may be compared: a program never stands where the kernel's own would be measured. So does the command that is printed for two versions.
func TestInit(t *testing.T) {
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip(err)
	}
	for _, st := range starts() {
		t.Chdir(t.TempDir())
		code, out, said := try(t, "init", st.family, "mine")
		if code != codeDone || !strings.Contains(out, "  "+st.command("mine")+"\n") || !strings.Contains(out, "  "+st.edited("mine")+"\n") {
			t.Fatalf("%s: exit code %d, %s%s", st.family, code, out, said)
		}
		t.Chdir("mine")
		compile := exec.Command("clang-19", "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-Wno-unused-parameter", "-Iinclude",
			"-idirafter", "/usr/include/x86_64-linux-gnu", "-idirafter", "/usr/include/aarch64-linux-gnu", "-c", "mine.bpf.c", "-o", "mine.o")
		if said, err := compile.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", st.family, err, said)
		}
		if err := os.Remove("mine.o"); err != nil {
			t.Error(err)
		}
		if code, out, said := try(t, "list", "./mine.yaml"); code != codeDone || !strings.Contains(out, "./mine.bpf.c") {
			t.Errorf("%s: exit code %d, %s%s", st.family, code, out, said)
		}
		program, err := os.ReadFile("mine.bpf.c")
		if err != nil || !strings.HasPrefix(string(program), "// SPDX-License-Identifier: GPL-2.0\n/*\n * mine: ") || strings.Contains(string(program), "NAME") {
			t.Errorf("%s: %v:\n%s", st.family, err, program)
		}
		if raw, err := os.ReadFile("mine.yaml"); err != nil || strings.Count(string(raw), "\n") > 9 {
			t.Errorf("%s: %v:\n%s", st.family, err, raw)
		}
		if raw, err := os.ReadFile(".gitignore"); err != nil || string(raw) != "results/*\n!results/history/\n" {
			t.Errorf("%s: .gitignore: %v: %q", st.family, err, raw)
		}
		var f abFlags
		if inputs, _ := filepath.Glob("mine-input.yaml"); len(inputs) > 0 {
			f.inputs = inputs
		}
		p, err := openPair(t.Context(), vocabulary(), f, st.against, "mine.bpf.c")
		if err != nil {
			t.Fatal(err)
		}
		if p.b.Object != "mine.bpf.c" || kinds[p.b.Attach] == "" && p.b.Attach != prog.MethodRun {
			t.Errorf("%s: B is %+v", st.family, p.b)
		}
		like, needed := strings.CutPrefix(st.versions, "--like ")
		if needed {
			const want = "name a variant of the lab by --like, as --like xdp-"
			if _, err := openPair(t.Context(), vocabulary(), f, "mine.bpf.c", "./mine.bpf.c"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), like) {
				t.Errorf("%s: two versions without --like: %v, want %q with %s", st.family, err, want, like)
			}
			f.like = like
		}
		if p, err = openPair(t.Context(), vocabulary(), f, "mine.bpf.c", "./mine.bpf.c"); err != nil || p.experiment.Name != st.family {
			t.Errorf("%s: two versions: %v", st.family, err)
		}
		if said, err := exec.Command("make", "--no-print-directory", "-n").CombinedOutput(); err != nil || string(said) != st.command("mine")+"\n" {
			t.Errorf("%s: make: %v: %s", st.family, err, said)
		}
	}
}

// TestInitRefuses: a file that is there already stays as it is, and nothing is written beside it.
func TestInitRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("here/include", 0o755); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join("here", "include", "scx.bpf.h")
	if err := os.WriteFile(kept, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]struct {
		code int
		said string
	}{
		"init sched mine here": {codeFailed, "write here/include/scx.bpf.h: it is there already"},
		"include here/include": {codeFailed, "write here/include/scx.bpf.h: it is there already"},
		"init shed mine":       {codeUsage, `did you mean "sched"?`},
		"init sched scx-fifo":  {codeUsage, "the lab has a variant of that name"},
		"init sched a/b":       {codeUsage, "want letters, digits, _ and -, a letter first"},
		"init sched mine-2":    {codeUsage, "GOMAXPROCS"},
		"init sched":           {codeUsage, "missing: NAME; want kxlab init FAMILY NAME [DIR]"},
	} {
		if code, out, said := try(t, strings.Fields(args)...); code != want.code || !strings.Contains(said, want.said) || out != "" {
			t.Errorf("%s: exit code %d, %q, want %d, %q", args, code, said, want.code, want.said)
		}
	}
	if raw, err := os.ReadFile(kept); err != nil || string(raw) != "mine" {
		t.Errorf("%s is now %q, %v", kept, raw, err)
	}
	if all, _ := filepath.Glob("here/*"); len(all) != 1 {
		t.Errorf("written: %q", all)
	}
}

// TestInitIgnores: git ignores runs and not the history.
func TestInitIgnores(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	t.Chdir(t.TempDir())
	if code, out, said := try(t, "init", "prog", "filter", "."); code != codeDone {
		t.Fatalf("exit code %d, %s%s", code, out, said)
	}
	gitIn(t, ".")("", "init", "--quiet")
	for path, want := range map[string]bool{"results/scratch/run/env.json": true, "results/run/env.json": true, "results/history/x.txt": false, "filter.bpf.c": false} {
		if ignored := exec.Command("git", "check-ignore", "--quiet", path).Run() == nil; ignored != want {
			t.Errorf("%s: ignored is %v", path, ignored)
		}
	}
}

// TestInitBeside: a repository's own .gitignore is no obstacle, and stays.
func TestInitBeside(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(ignoreFile, []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, said := try(t, "init", "prog", "filter", "."); code != codeDone {
		t.Errorf("exit code %d, %s%s", code, out, said)
	}
	if raw, err := os.ReadFile(ignoreFile); err != nil || string(raw) != "mine\n" {
		t.Errorf(".gitignore is now %q, %v", raw, err)
	}
}

// TestInclude: the printed folder has the headers, and once more after one was spoilt.
func TestInclude(t *testing.T) {
	t.Setenv("KXLAB_CACHE", t.TempDir())
	for range 2 {
		code, out, said := try(t, "include")
		header := filepath.Join(strings.TrimSpace(out), "tcp.bpf.h")
		raw, err := os.ReadFile(header)
		if code != codeDone || err != nil || !strings.Contains(string(raw), "tcp_grow_like_reno") {
			t.Fatalf("exit code %d, %v, %s%s", code, err, out, said)
		}
		if err := os.WriteFile(header, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(t.TempDir())
	if code, out, said := try(t, "include", "h"); code != codeDone || out != "h\n" {
		t.Errorf("exit code %d, %s%s", code, out, said)
	}
	if _, err := os.Stat("h/scx.bpf.h"); err != nil {
		t.Error(err)
	}
}

// TestIncludeExample: the command that the help shows compiles a program.
func TestIncludeExample(t *testing.T) {
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip(err)
	}
	t.Setenv("KXLAB_CACHE", t.TempDir())
	t.Chdir(t.TempDir())
	if code, _, said := try(t, "init", "lb", "mine", "."); code != codeDone {
		t.Fatal(said)
	}
	_, dir, _ := try(t, "include")
	example := strings.NewReplacer("$(kxlab include)", strings.TrimSpace(dir), "clang ", "clang-19 ").Replace(newInclude(streams{}).Example)
	if said, err := exec.Command("sh", "-ec", example).CombinedOutput(); err != nil || !strings.Contains(example, strings.TrimSpace(dir)) {
		t.Errorf("%s: %v: %s", example, err, said)
	}
	if _, err := os.Stat("mine.bpf.o"); err != nil {
		t.Error(err)
	}
}

// TestInitInGuest: a newcomer's first number, of a program by itself and, in make soak instead, of a scheduler. The program must be what
// is measured: it is told from the kernel's scheduler.
func TestInitInGuest(t *testing.T) {
	if err := haveGuests(t.Context()); err != nil || testing.Short() {
		t.Skip("boots guests:", err)
	}
	dir := t.TempDir()
	init, name, said := "init prog filter", "filter", "kxlab ab return filter.bpf.c --input filter-input.yaml --allow-difference"
	want := `^The outputs of return and filter.bpf.c differ for 1 input. filter.bpf.c takes \d+\.0 more instructions a run than return (.*\n)*  drop: returns XDP_PASS \(2\) \| XDP_DROP \(1\)\n(.*\n)*  input=pass  insn/run  0 `
	args := "ab return filter.bpf.c --input filter-input.yaml --allow-difference --repeat 2"
	if labtest.Soak() {
		init, name, said = "init sched mine", "mine", "kxlab ab eevdf mine.bpf.c"
		want, args = `^mine.bpf.c takes \d.* % (fewer|more) instructions an operation than eevdf`, "ab eevdf mine.bpf.c --workload pipe --repeat 2"
	}
	for _, c := range []struct{ in, args, want string }{{"", init, said}, {name, args, want}} {
		cmd, errs := command(t, filepath.Join(dir, c.in), strings.Fields(c.args)...)
		out, err := cmd.Output()
		if err != nil || !regexp.MustCompile(c.want).Match(out) {
			t.Fatalf("%q: %v\n%s%s\nwant %s", c.args, err, out, errs, c.want)
		}
	}
}

// TestWriteNewFull: what cannot be written as a whole is not left in part.
func TestWriteNewFull(t *testing.T) {
	dir := t.TempDir()
	var had syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &had); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100, Max: had.Max}); err != nil {
		t.Skip(err)
	}
	err := writeNew(dir, map[string]string{"file": strings.Repeat("x", 1000)})
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &had); err != nil {
		t.Fatal(err)
	}
	if _, gone := os.Stat(filepath.Join(dir, "file")); err == nil || !errors.Is(gone, os.ErrNotExist) {
		t.Errorf("%v, %v", err, gone)
	}
}
