// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bytes"
	"context"
	"embed"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// endurance tells whether tests may take minutes.
func endurance() bool { return os.Getenv(enduranceEnv) != "" }

// testTime is how long a test runs each part, of the guest's time: without endurance as long as the gate of a run does.
func testTime() time.Duration {
	if endurance() {
		return 60 * time.Second / time.Duration(len(gateParts()))
	}
	return partTime
}

// gated are the schedulers whose gate TestGuestGate runs: two that need few instructions for make test, the rest for make soak, all for
// make endurance.
func gated() []string {
	some := []string{"fifo", "percpu"}
	switch {
	case endurance():
		return works
	case os.Getenv(restEnv) != "":
		return slices.DeleteFunc(slices.Clone(works), func(name string) bool { return slices.Contains(some, name) })
	}
	return some
}

// TestGuestGate runs the parts of the gate under schedulers.
func TestGuestGate(t *testing.T) {
	inGuest(t)
	for _, name := range gated() {
		t.Run(name, func(t *testing.T) {
			s := putScheduler(t, scx(name))
			for _, p := range gateParts() {
				t.Run(p.name, func(t *testing.T) {
					longest, err := p.run(t.Context(), testTime(), 1)
					if err != nil {
						t.Error(err)
					}
					if err := s.InForce(); err != nil {
						t.Errorf("out of force: %v", err)
					}
					t.Logf("longest wait %v", longest.Round(time.Millisecond))
				})
			}
		})
	}
}

// wrongObjects are schedulers that are wrong on purpose.
//
//go:embed testdata/*.bpf.o
var wrongObjects embed.FS

// putWrong puts one of them in force.
func putWrong(t *testing.T, name string) Scheduler {
	t.Helper()
	open := func(object string) (*bpfobj.OpsStruct, error) {
		raw, err := wrongObjects.ReadFile("testdata/" + object + ".bpf.o")
		if err != nil {
			return nil, err
		}
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		return bpfobj.ReadSched(object, spec)
	}
	v := harness.Variant{Name: name, Attach: "sched_ext", Object: name}
	s, err := newSchedExtFrom(context.Background(), bpfobj.New(bpfobj.Options{}), true, v, open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestGuestWrong: no scheduler that is wrong on purpose passes the part that is made for it.
func TestGuestWrong(t *testing.T) {
	inGuest(t)
	ran := false
	for _, tt := range []struct {
		object string
		cpus   int      // of the guest in which they catch it
		parts  []string // each of them catches it
		want   string   // matches each error
	}{
		{"wrong_weight", 1, []string{"nice", "idle"}, "task "},
		{"wrong_yield", 1, []string{"yield"}, "task yield"},
		{"wrong_burst", 1, []string{"burst"}, "300 children|task busy.* waited"}, // all come while others wait,
		{"wrong_group", 1, []string{"cgroup"}, "task moved"},
		{"wrong_sleep", 1, []string{"sleep"}, "task sleeper"},
		{"wrong_exits", 1, []string{"exits"}, "8 children"},
		{"wrong_affinity", 2, []string{"affinity"}, "task "},
	} {
		if tt.cpus != runtime.NumCPU() {
			continue
		}
		ran = true
		for _, name := range tt.parts {
			t.Run(tt.object+"/"+name, func(t *testing.T) {
				parts := gateParts()
				p := parts[slices.IndexFunc(parts, func(p part) bool { return p.name == name })]
				s := putWrong(t, tt.object)
				// With two CPUs it takes luck to hit the fault: the longer the part, the surer.
				var err error
				for _, d := range []time.Duration{partTime, 300 * time.Millisecond, 2 * time.Second, 8 * time.Second} {
					if _, err = p.run(t.Context(), d, 1); err != nil {
						break
					}
				}
				t.Log(err)
				if broken := s.InForce(); broken != nil {
					t.Errorf("out of force: %v", broken)
				}
				if err == nil || !strings.Contains(err.Error(), "part "+name+": ") || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
					t.Errorf("%v; want an error of part %s that matches %q", err, name, tt.want)
				}
			})
		}
	}
	if !ran {
		t.Errorf("no wrong scheduler is made for %d CPUs", runtime.NumCPU())
	}
}
