// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

// guests boots the guests of one run.
type guests struct {
	kernel  *vm.Kernel
	exact   bool
	virtme  bool // this machine's root file system instead of an image
	kvm     bool
	cpus    int
	memory  int64 // bytes
	spec    harness.GuestSpec
	silence time.Duration // vm.Cmd.Silence
	boots   bool          // vm.Cmd.NoSnapshots
	note    func(string)  // vm.Cmd.Note
	ready   func(vm.Ready)
	config  string     // what the job's objects ask of the kernel's configuration, see configOf
	reports *reports   // of earlier runs; nil: every guest runs
	free    processors // each for one exact guest at a time
}

const defaultGuestMB = 1024 // where the definition does not say

// The root file systems of guests.
const (
	rootHost  = "host"
	rootImage = "image"
)

// openGuests finds the kernel, and sets up guests by the experiment and the command line.
func openGuests(ctx context.Context, j job, f runFlags) (*guests, error) {
	e := j.plan.Experiment
	g := &guests{exact: j.plan.Target == harness.TargetExact, spec: e.Guest, silence: f.silence, boots: !f.snapshots}
	var err error
	if g.free = j.beside.free; g.free == nil {
		if g.free, err = openProcessors(); err != nil {
			return nil, err
		}
	}
	if g.kernel, g.virtme, err = f.openKernel(ctx, j); err != nil {
		return nil, err
	}
	asked, err := kernelOptions(slices.Sorted(maps.Keys(j.objects))) // of all sides of ab, so that their guests read as much
	if err != nil {
		return nil, err
	}
	if g.config, err = configOf(g.kernel, asked); err != nil {
		return nil, err
	}
	if !g.exact {
		v, err := vm.JudgeKVM(ctx, g.kernel)
		if err != nil {
			return nil, err
		}
		g.kvm = v.KVM
	}
	g.cpus, g.memory = guestSize(e.Guest, j.plan.Target, f.cpus)
	return g, nil
}

// openKernel finds the kernel of a job's guests, and says whether they have this machine's root file system.
func (f runFlags) openKernel(ctx context.Context, j job) (k *vm.Kernel, virtme bool, err error) {
	name := j.kernel
	virtme = j.plan.Target != harness.TargetExact && cmp.Or(f.root, j.plan.Experiment.Guest.Root) != rootImage
	if virtme {
		name = vm.Full(name)
	}
	k, err = vm.Open(ctx, name)
	return k, virtme, err
}

// root names the guests' root file system.
func (g *guests) root() string {
	if g.virtme {
		return rootHost
	}
	return rootImage
}

// parallel is how many guests run side by side: one a CPU where the load does not change the numbers.
func (g *guests) parallel() int {
	if !g.exact {
		return 1
	}
	return cap(g.free)
}

// cpu is the processor in the record. On target exact it is the same on every machine.
func (g *guests) cpu(host string) string {
	if g.exact {
		return fmt.Sprintf("QEMU TCG, %d CPU, 1 instruction a ns", g.cpus)
	}
	accel := "TCG"
	if g.kvm {
		accel = "KVM"
	}
	return fmt.Sprintf("QEMU %s, %d CPU, on %s", accel, g.cpus, host)
}

// command is the guest of a job. Tools that this machine lacks are left out: only the variants that need them are then not supported.
func (g *guests) command(j runner.Job) (*vm.Cmd, error) {
	j.Config = g.config
	raw, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("write job: %w", err)
	}
	c := &vm.Cmd{
		Kernel: g.kernel, Args: []string{"kxlab", "inside"}, CPUs: g.cpus, Memory: g.memory,
		Modules: g.spec.Modules, Tools: slices.DeleteFunc(slices.Clone(g.spec.Tools), vm.NoTool), Files: map[string]vm.File{jobPath: {Content: raw}},
		Stderr: os.Stderr, OnReady: g.ready, Virtme: g.virtme, Silence: g.silence, Acknowledge: true,
	}
	g.carry(c, j.Experiment.Variants)
	if g.exact {
		c.Exact, c.NoSnapshots, c.Note = &vm.Exact{Seed: j.BootSeed()}, g.boots, g.note
	} else {
		// With a thread for each CPU, guests of QEMU 7.2 panicked while they patched their code.
		c.OneThread = true
	}
	return c, nil
}

// boot is a runner.Boot. An exact guest whose report is kept does not run again.
func (g *guests) boot(ctx context.Context, j runner.Job, to *runner.Guest) error {
	c, err := g.command(j)
	if err != nil {
		return err
	}
	if !g.exact {
		c.Stdout = to
		return runGuest(ctx, c)
	}
	mine := <-g.free
	defer func() { g.free <- mine }()
	c.Processor = &mine
	if g.reports == nil {
		c.Stdout = to
		return runGuest(ctx, c)
	}
	digest, err := c.Digest(ctx)
	if err != nil { // the guest's start says what is wrong
		c.Stdout = to
		return runGuest(ctx, c)
	}
	if kept, ok := g.reports.find(ctx, digest); ok {
		g.ready(kept.Ready)
		_, err := to.Write(kept.Lines)
		return err
	}
	var lines bytes.Buffer
	var ready vm.Ready
	c.Stdout = io.MultiWriter(to, &lines)
	c.OnReady = func(r vm.Ready) {
		ready = r
		g.ready(r)
	}
	if err := runGuest(ctx, c); err != nil {
		return err
	}
	if to.Passed() {
		g.reports.keep(digest, ready, lines.Bytes())
	}
	return nil
}

// runGuest runs a guest to its end.
func runGuest(ctx context.Context, c *vm.Cmd) error {
	if err := c.Start(ctx); err != nil {
		return runner.NoGuest(err)
	}
	err := c.Wait()
	var ended *vm.ExitError
	if errors.As(err, &ended) && ended.Crashed() {
		return runner.Crash(err)
	}
	return err
}

// run measures a plan in guests. Their calibration is noted once.
func (g *guests) run(ctx context.Context, s streams, p *runner.Plan, sel runner.Selection, o runner.GuestOptions, w *record.Writer) (runner.Summary, error) {
	var once, noteOnce sync.Once
	var noteErr error
	g.note = func(text string) { noteOnce.Do(func() { s.note("%s", text) }) }
	g.ready = func(r vm.Ready) {
		if r.Calibration == nil {
			return
		}
		once.Do(func() {
			s.note("%v", r.Calibration)
			noteErr = w.Note("%v", r.Calibration)
		})
	}
	if o.Boot == nil {
		o.Boot = g.boot
	}
	o.Parallel, o.Together = g.parallel(), !g.exact
	if g.exact {
		o = cutInto(g.spec, o)
	}
	sum, err := runner.RunGuests(ctx, p, sel, o)
	return sum, errors.Join(err, noteErr)
}

// cutInto sets into which guests a run on target exact is cut.
func cutInto(spec harness.GuestSpec, o runner.GuestOptions) runner.GuestOptions {
	o.Parts, o.Gates, o.EachRepeat = spec.ExactParts, spec.ExactGates, !spec.ExactTogether
	return o
}

// processors are those of this machine that no guest of this run uses.
type processors chan int

// openProcessors makes the set of those that this process may use. A container with a limit of CPU time gets as many as its limit allows, of which
// the runtime makes at least two (runtime.GOMAXPROCS): the first is drawn, because the machine's other containers may use the same.
func openProcessors() (processors, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask which processors may be used: %w", err)
	}
	var all []int
	for i := 0; len(all) < set.Count(); i++ {
		if set.IsSet(i) {
			all = append(all, i)
		}
	}
	n, first := len(all), 0
	if limit := runtime.GOMAXPROCS(0); limit < n {
		n, first = limit, rand.IntN(n)
	}
	out := make(processors, n)
	for i := range n {
		out <- all[(first+i)%len(all)]
	}
	return out, nil
}

// jobPath is the path of a guest's job, in a folder that it does not share with this machine.
const jobPath = "/tmp/kxlab/job.json"

// newInside is the hidden command that guests of a run execute.
func newInside(s streams, families map[string]harness.Family) *cobra.Command {
	return &cobra.Command{
		Use: "inside", Short: "Run a job in a guest", Hidden: true, Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			raw, err := os.ReadFile(jobPath)
			if err != nil {
				return fmt.Errorf("read job: %w (this command is for guests of kxlab run)", err)
			}
			var j runner.Job
			if err := json.Unmarshal(raw, &j); err != nil {
				return fmt.Errorf("read job: %w", err)
			}
			for name, raw := range j.Objects {
				bpf.Add(name, raw)
			}
			if j.Config != "" {
				if err := placeConfig(j.Config); err != nil {
					return err
				}
			}
			return runner.Sample(cmd.Context(), j, families, sampleGuest, vm.NewAckWriter(s.out))
		}),
	}
}
