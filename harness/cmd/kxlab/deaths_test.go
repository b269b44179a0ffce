// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/vm"
)

// deaths is a family whose variants do to their guest what their names say; only the one that lives has a number.
type deaths struct{}

const deathsYAML = `
name: deaths
family: deaths
title: Deaths
question: What becomes of a run whose guests die?
targets: [exact, vm]
guest: {memorymb: 256}
aa: lives
variants:
  - {name: lives, class: guest, attach: eevdf, about: nothing happens}
  - {name: panics, class: guest, attach: eevdf, about: the kernel panics}
  - {name: hangs, class: guest, attach: eevdf, about: nothing comes from it any more}
  - {name: killed, class: guest, attach: eevdf, about: QEMU is killed}
  - {name: starves, class: guest, attach: eevdf, about: the workload takes more memory than there is}
  - {name: orphaned, class: guest, attach: eevdf, about: the agent crashes}
workloads:
  - name: wait
    about: waits
    metrics: [{unit: op, better: higher, about: ones}]
profiles:
  - {name: quick, repeats: 1, measure: 1ms, workloads: [{name: wait}]}
`

// killMe is what a guest says that wants its QEMU to be killed.
const killMe = "kill me"

// withDeaths are the words of definitions, and those of deathsYAML.
func withDeaths() experiments.Vocabulary {
	words := vocabulary()
	words.Families["deaths"], words.Families["ways"] = deaths{}, ways{}
	return words
}

func (deaths) Workloads() []string { return []string{"wait"} }
func (deaths) Methods() []string   { return []string{"eevdf"} }
func (deaths) Axes() []string      { return nil }

func (d deaths) Prepare(context.Context, harness.Group) (harness.Stage, error) { return d, nil }
func (deaths) Absent() map[string]error                                        { return nil }
func (deaths) Check(context.Context, string) error                             { return nil }
func (deaths) Close() error                                                    { return nil }

func (deaths) Measure(_ context.Context, c harness.Cell, _ harness.Budget) (harness.Result, error) {
	if err := die(c.Variant); err != nil {
		return harness.Result{}, err
	}
	return harness.Result{Iterations: 1, Measured: time.Millisecond, Metrics: []harness.Metric{{Unit: "op", Value: 1}}}, nil
}

// die does to this guest what the variant's name says. It returns if that is nothing, or did not work.
func die(variant string) error {
	const ice = "/sys/fs/cgroup/ice"
	var err error
	switch variant {
	case "panics":
		err = os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0)
	case "hangs":
		err = errors.Join(os.Mkdir(ice, 0o755), os.WriteFile(ice+"/cgroup.procs", []byte("1"), 0),
			os.WriteFile(ice+"/cgroup.freeze", []byte("1"), 0))
	case "killed":
		fmt.Fprintln(os.Stderr, killMe)
	case "starves":
		for kept := [][]byte{}; ; {
			kept = append(kept, slices.Repeat([]byte{1}, 16<<20))
		}
	case "orphaned":
		err = syscall.Kill(1, syscall.SIGQUIT) // upon which a Go program says what it was at, and ends
	case "asks": // a program of this machine
		return exec.Command("apt-get", "--version").Run()
	default:
		return nil
	}
	if err == nil {
		time.Sleep(24 * time.Hour) // of the guest's time
	}
	return err
}

// Guests that panic, hang, are killed, run out of memory or lose their agent are each a rejected trial with its cause, and the run
// goes on: the others have their numbers. The stories in testdata/deaths say what compare makes of it.
func TestDeaths(t *testing.T) {
	needsGuests(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "deaths.yaml"), []byte(deathsYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, _ := command(t, dir, "run", "./deaths.yaml", "--out", "r", "--silence", "10s")
	cmd.Stderr = nil
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), killMe) {
			for _, pid := range guestsOfRun(t, cmd.Process.Pid) {
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != codeFailed {
		t.Fatalf("the run: %v, want exit code %d: cells have no number:\n%s", err, codeFailed, said.String())
	}
	if left := guestsOfRun(t, cmd.Process.Pid); len(left) > 0 {
		t.Errorf("QEMU is left behind: %v", left)
	}
	r, err := record.Open(filepath.Join(dir, "r"))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Env.Complete {
		t.Errorf("the run is %s", r.State())
	}
	var numbers []string
	for _, tr := range r.Trials {
		numbers = append(numbers, tr.Cell.Variant)
	}
	slices.Sort(numbers)
	if want := []string{"lives"}; !slices.Equal(numbers, want) {
		t.Errorf("numbers of %v, want %v:\n%s", numbers, want, said.String())
	}
	for variant, want := range map[string]struct {
		cause   vm.Cause
		console string // in the second line and after
	}{
		"panics":   {vm.CausePanic + ": sysrq triggered crash", "Call Trace"},
		"hangs":    {vm.CauseHang + ": it sent nothing for 10s", ""},
		"killed":   {vm.CauseKilled + ": signal: killed", ""},
		"starves":  {vm.CauseMemory + ": the kernel killed 1 process; the guest has 256 MiB: give it more", "Killed process"},
		"orphaned": {vm.CauseAgentLost + ": Attempted to kill init", "Kernel panic"},
	} {
		t.Run(variant, func(t *testing.T) {
			var reasons []string
			for _, rejected := range r.Env.Rejected {
				if strings.HasSuffix(rejected.Cell, "variant="+variant) {
					reasons = append(reasons, rejected.Reason)
				}
			}
			if len(reasons) != 1 {
				t.Fatalf("%d trials were rejected, want 1: %q", len(reasons), reasons)
			}
			first, rest, _ := strings.Cut(reasons[0], "\n")
			if !strings.HasPrefix(first, "guest: "+string(want.cause)) || !strings.Contains(rest, want.console) {
				t.Errorf("the reason is %q, want %q and %q", reasons[0], want.cause, want.console)
			}
			if !strings.Contains(said.String(), "variant="+variant+": "+first) {
				t.Errorf("%q was not said while the run went:\n%s", first, said.String())
			}
		})
	}
	if n := strings.Count(said.String(), "variant=panics: invalid at guest: "); n != 1 {
		t.Errorf("the lost cell is named %d times in the end:\n%s", n, said.String())
	}
	table := codes{rows: map[string]map[string]int{}}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "deaths"),
		Setup: func(env *testscript.Env) error {
			return os.CopyFS(filepath.Join(env.WorkDir, "new"), os.DirFS(filepath.Join(dir, "r")))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": table.exits},
	})
}

// Guests of target vm have this machine's root file system, also for programs that the definition does not name.
func TestRunVM(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("boots a whole system: make soak runs it")
	}
	needsGuests(t)
	if _, err := vm.Open(t.Context(), vm.Full("")); errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	dir := t.TempDir()
	yaml := strings.NewReplacer("name: lives", "name: asks", "aa: lives", "aa: asks").Replace(deathsYAML)
	if err := os.WriteFile(filepath.Join(dir, "deaths.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, errs := command(t, dir, "run", "./deaths.yaml", "--target", "vm", "--variants", "asks", "--out", "r", "--wait")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v:\n%s", err, errs)
	}
	r, err := record.Open(filepath.Join(dir, "r"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Trials) != 1 || r.Env.KernelFacts["root"] != rootHost {
		t.Errorf("%d trials, kernel %v", len(r.Trials), r.Env.KernelFacts)
	}
}

// haveGuests returns an error unless guests can be booted here.
func haveGuests(ctx context.Context) error {
	_, err := vm.Open(ctx, "")
	if err == nil {
		_, err = vm.QEMUVersion(ctx)
	}
	return err
}

// needsGuests skips a test that boots guests where there are none.
func needsGuests(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots guests")
	}
	err := haveGuests(t.Context())
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// guestsOfRun lists the QEMU processes whose names say that they belong to a process of the lab.
func guestsOfRun(t *testing.T, parent int) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, f := range files {
		raw, _ := os.ReadFile(f) // it may have ended
		if !strings.Contains(string(raw), "-name\x00"+owner.Prefix+strconv.Itoa(parent)) {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(f, "/")[2]); err == nil {
			out = append(out, pid)
		}
	}
	return out
}
