// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

// guests boots the guests of one run.
type guests struct {
	kernel  *vm.Kernel
	exact   bool
	cpus    int
	memory  int64 // bytes
	spec    harness.GuestSpec
	silence time.Duration // vm.Cmd.Silence
	ready   func(vm.Ready)
}

const (
	defaultGuestMB = 1024 // where the definition does not say
	defaultCPUs    = 1
)

// newGuests reads what an experiment and the command line say of its guests.
func newGuests(k *vm.Kernel, e harness.Experiment, target string, cpus int) *guests {
	g := &guests{kernel: k, exact: target == harness.TargetExact, cpus: cpus, memory: defaultGuestMB << 20, spec: e.Guest}
	if g.cpus == 0 && g.exact {
		g.cpus = e.Guest.ExactCPUs
	}
	if g.cpus == 0 {
		g.cpus = max(defaultCPUs, e.Guest.CPUs)
	}
	if e.Guest.MemoryMB > 0 {
		g.memory = int64(e.Guest.MemoryMB) << 20
	}
	return g
}

// parallel is how many guests may run side by side: as many as there are CPUs where the load does not change the numbers.
func (g *guests) parallel() int {
	if !g.exact {
		return 1
	}
	return runtime.NumCPU()
}

// cpu is what the record calls the processor. In exact it is the same on every machine.
func (g *guests) cpu(host string) string {
	if g.exact {
		return fmt.Sprintf("QEMU TCG, %d CPU, 1 instruction a ns", g.cpus)
	}
	return fmt.Sprintf("QEMU TCG, %d CPU, on %s", g.cpus, host)
}

// boot is a runner.Boot. What wants a tool that this machine does not have is skipped in the guest, with its name: the others
// need not wait for it.
func (g *guests) boot(ctx context.Context, j runner.Job, to *runner.Guest) error {
	raw, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("write job: %w", err)
	}
	c := &vm.Cmd{
		Kernel: g.kernel, Args: []string{"kxlab", "inside"}, CPUs: g.cpus, Memory: g.memory,
		Modules: g.spec.Modules, Tools: slices.DeleteFunc(slices.Clone(g.spec.Tools), vm.NoTool), Files: map[string]vm.File{jobPath: {Content: raw}},
		Stdout: to, Stderr: os.Stderr, OnReady: g.ready, Silence: g.silence, Acknowledge: true,
	}
	if g.exact {
		c.Exact = &vm.Exact{Seed: j.BootSeed()}
	} else {
		// With a thread for each, QEMU 7.2 was seen to panic guests while it patched their code.
		c.OneThread = true
	}
	return c.Run(ctx)
}

// run measures a plan in guests. What the guests say of their calibration is noted once.
func (g *guests) run(ctx context.Context, s streams, p *runner.Plan, sel runner.Selection, o runner.GuestOptions, w *record.Writer) (runner.Summary, error) {
	var once sync.Once
	var noteErr error
	g.ready = func(r vm.Ready) {
		if r.Calibration == nil {
			return
		}
		once.Do(func() {
			s.note("%v", r.Calibration)
			noteErr = w.Note("%v", r.Calibration)
		})
	}
	o.Boot, o.Parallel, o.EachRepeat = g.boot, g.parallel(), g.exact
	if g.exact {
		o.Parts = g.spec.ExactParts
	}
	sum, err := runner.RunGuests(ctx, p, sel, o)
	return sum, errors.Join(err, noteErr)
}
