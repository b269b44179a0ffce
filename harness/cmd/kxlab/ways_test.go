// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/cilium/ebpf/btf"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/labtest"
)

// ways is a family whose variant "other" fails in the way that the environment variable WAY names; the others are well.
type ways struct{}

const waysYAML = `
name: ways
family: ways
title: Ways to fail
question: What becomes of a cell in each?
targets: [host]
aa: good
variants:
  - {name: good, class: x, attach: way, about: all is well}
  - {name: other, class: x, attach: way, about: fails in some way}
workloads:
  - name: count
    about: counts
    metrics: [{unit: op, better: higher, about: ones}, {unit: sec, better: lower, about: seconds}]
  - name: more
    about: counts more
    metrics: [{unit: op, better: higher, about: ones}]
profiles:
  - {name: quick, repeats: 5, measure: 1ms, workloads: [{name: count}, {name: more}]}
`

func (ways) Workloads() []string { return []string{"count", "more"} }
func (ways) Methods() []string   { return []string{"way"} }
func (ways) Axes() []string      { return nil }
func (w ways) Close() error      { return nil }
func (w ways) fails(variant, way string) bool {
	return base(variant) == "other" && os.Getenv("WAY") == way
}
func base(variant string) string { return strings.TrimSuffix(variant, harness.SuffixAA) }
func (w ways) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	return waysStage{ways: w, members: g.Members}, nil
}

type waysStage struct {
	ways
	members []harness.Member
}

// Absent puts the members in force, as it were.
func (s waysStage) Absent() map[string]error {
	absent := map[string]error{}
	method := harness.Methods[harness.Extension]{"way": func(context.Context, harness.Variant, harness.Site) (harness.Extension, error) {
		return nil, put(os.Getenv("WAY"))
	}}
	for _, m := range s.members {
		if m.Variant.Name != "other" {
			continue
		}
		if _, err := method.Put(context.Background(), m.Variant, harness.Site{}); err != nil {
			absent[m.Name] = err
		}
	}
	return absent
}

// put fails in those ways in which a variant is not put in force.
func put(way string) error {
	switch way {
	case "verifier":
		spec, err := labtest.Object("refused")
		if err != nil {
			return err
		}
		o, err := bpfobj.LoadObject("test/refused", spec, nil, harness.Site{}, 0)
		if err != nil {
			return err
		}
		return o.Close()
	case "kfunc":
		spec, err := labtest.Object("misspelt_cc")
		if err != nil {
			return err
		}
		o, err := bpfobj.CheckCC("test/misspelt", spec)
		if err != nil {
			return err
		}
		_, err = bpfobj.LoadCC(btf.NewCache(), o, "kx_test", nil)
		return err
	case "old":
		return harness.Skip("load test/new: this kernel has no struct sched_ext_ops")
	case "tool":
		return harness.Skip("ipvsadm is not installed; `apt-get install ipvsadm` adds it")
	}
	return nil
}

func (s waysStage) Check(_ context.Context, member string) error {
	if s.fails(member, "gate") {
		return errors.New("case IPv6: the checksum is wrong")
	}
	return nil
}

func (s waysStage) Measure(ctx context.Context, c harness.Cell, _ harness.Budget) (harness.Result, error) {
	r := harness.Result{Iterations: 1, Measured: time.Millisecond, Metrics: []harness.Metric{{Unit: "op", Value: 1}}}
	if c.Workload == "count" && !s.fails(c.Variant, "unit") {
		r.Metrics = append(r.Metrics, harness.Metric{Unit: "sec", Value: 1})
	}
	switch {
	case s.fails(c.Variant, "ejected"):
		r.Invalid = "the scheduler fell out of force during the trial: the kernel ejected the scheduler: runnable task stall"
	case s.fails(c.Variant, "invalid"):
		return r, errors.New("no answer")
	case s.fails(c.Variant, "slow"):
		fmt.Fprintln(os.Stderr, "measuring")
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
	return r, nil
}

// TestWays goes through the ways in which a cell can fail to have a number, each a story in testdata/ways: what run, compare
// --gate and JUnit make of it. Each story finds a run in which all was well in the folder old. The table of exit codes is in the test's log.
func TestWays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a run on the host does")
	}
	kept, err := cache.Dir()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ways.yaml"), []byte(waysYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	if cmd, errs := command(t, dir, "run", "./ways.yaml", "--out", "old", "--wait"); cmd.Run() != nil {
		t.Fatalf("the run in which all is well: %s", errs)
	}
	table := codes{rows: map[string]map[string]int{}}
	t.Cleanup(func() { t.Logf("exit codes:\n%s", table.String()) }) // after all stories
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "ways"),
		Setup: func(env *testscript.Env) error {
			env.Setenv(cache.Env, kept) // stories have no home
			env.Setenv("KXLAB_FRESH", "true")
			return os.CopyFS(env.WorkDir, os.DirFS(dir))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": table.exits, "nobody": table.nobody, "hangup": hangup,
		},
	})
}

// codes are exit codes, by the row's name and the column.
type codes struct {
	mu   sync.Mutex
	rows map[string]map[string]int
}

// exits CODE COLUMN COMMAND… runs a command, wants its exit code and notes it in the row that the variable ROW names.
func (c *codes) exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: exits CODE COLUMN COMMAND…")
	}
	c.note(ts, args[0], args[1], ts.Exec(args[2], args[3:]...))
}

func (c *codes) note(ts *testscript.TestScript, want, column string, err error) {
	var exit *exec.ExitError
	code := 0
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != want {
		ts.Fatalf("%s: exit code %d, want %s", column, code, want)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	row := ts.Getenv("ROW")
	if row == "" || column == "-" {
		return
	}
	if c.rows[row] == nil {
		c.rows[row] = map[string]int{}
	}
	c.rows[row][column] = code
}

// `nobody CODE COLUMN ARG…` runs this program as a user who is not root.
func (c *codes) nobody(ts *testscript.TestScript, _ bool, args []string) {
	dir, err := os.MkdirTemp("", "kxlab-test-")
	ts.Check(err)
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "kxlab")
	ts.Check(errors.Join(os.Chmod(dir, 0o777), copyFile("/proc/self/exe", program)))
	cmd := exec.Command(program, args[2:]...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	said, err := cmd.CombinedOutput()
	if !strings.Contains(string(said), "sudo") {
		ts.Fatalf("no word of sudo: %s", said)
	}
	c.note(ts, args[0], args[1], err)
}

// hangup COMMAND… runs a command under nohup, sends it SIGHUP once it measures, and wants it to end well.
func hangup(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command("nohup", args...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), append(os.Environ(), "WAY=slow", "PATH="+ts.Getenv("PATH"))
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	defer cmd.Process.Kill()
	var said strings.Builder
	for b, sent := make([]byte, 4096), false; ; {
		n, err := stderr.Read(b)
		said.Write(b[:n])
		if !sent && strings.Contains(said.String(), "measuring") {
			sent = true
			ts.Check(cmd.Process.Signal(syscall.SIGHUP))
		}
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("%v: %s", err, said.String())
	}
}

func (c *codes) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	columns := []string{"run", "alone", "gate", "junit", "allowed"}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "way to fail\trun\talone\tcompare --gate\t--format junit\t--allow-missing")
	var names []string
	for name := range c.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprint(w, name)
		for _, column := range columns {
			if code, ok := c.rows[name][column]; ok {
				fmt.Fprintf(w, "\t%d", code)
			} else {
				fmt.Fprint(w, "\t-")
			}
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	return b.String()
}
