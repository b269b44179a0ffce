// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"errors"
	"time"

	"github.com/kxlab/kxlab/harness/load"
)

// gateParts are the parts of the gate. Those that are not quick make cgroups or many processes, or need seconds: tests run them in guests.
func gateParts() []part {
	return []part{
		{name: "affinity", quick: true, load: func(cpus int, _ time.Duration) load.Spec {
			return threads(pinned("zero", 3, 0, 0), pinned("last", 1, cpus-1, 0), loadThreads("moved", 3))
		}, meddle: func(i int, t gateTasks) error {
			var errs []error
			for _, tid := range t.tids[4:] {
				errs = append(errs, pinTo(tid, turns(i)...))
			}
			return errors.Join(append(errs, setNice(t.tids[0], i&1), setNice(t.tids[4], -(i&1)))...)
		}},
		// Not quick: the kernel's own scheduler promises no such bound, and has the low one wait for longer than 7 s.
		{name: "nice", load: func(cpus int, _ time.Duration) load.Spec {
			return threads(pinned("high", 12, 0, -20), pinned("low", 1, 0, 19))
		}},
		{name: "idle", load: func(int, time.Duration) load.Spec {
			idle := load.Thread{Name: "idle", CPU: 0, Idle: true}
			return threads(pinned("normal", 3, 0, 0), []load.Thread{idle, {Name: "changed", CPU: 0}})
		}, meddle: func(i int, t gateTasks) error { return setIdle(t.tids[4], i/16%2 == 0) }},
		{name: "yield", quick: true, load: func(int, time.Duration) load.Spec {
			yield := pinned("yield", 3, 0, 0)
			for i := range yield {
				yield[i].Yield = true
			}
			return threads(pinned("busy", 2, 0, 0), yield)
		}},
		{name: "burst", quick: true, load: func(int, time.Duration) load.Spec {
			s := threads(loadThreads("busy", 2))
			s.Children, s.ChildRounds = 300, 50_000 // about 0.1 ms of computing each
			return s
		}},
		{name: "cgroup", load: func(int, time.Duration) load.Spec { return threads(loadThreads("moved", 4)) },
			meddle: func(i int, t gateTasks) error { return moveGroup(i, t.pid) }},
		{name: "sleep", load: func(cpus int, d time.Duration) load.Spec {
			late := pinned("sleeper", 3, 0, 0)
			for i := range late {
				late[i].Sleep = d / 2
			}
			return threads(pinned("busy", 3, 0, 0), late)
		}},
		{name: "exits", load: func(int, time.Duration) load.Spec {
			s := threads(loadThreads("busy", 2))
			s.Children = 8
			return s
		}},
	}
}

// threads is a load of threads that compute.
func threads(lists ...[]load.Thread) (s load.Spec) {
	for _, l := range lists {
		s.Threads = append(s.Threads, l...)
	}
	return s
}

// pinned are n threads of one nice value on one CPU.
func pinned(name string, n, cpu, nice int) []load.Thread {
	out := loadThreads(name, n)
	for i := range out {
		out[i].CPU, out[i].Nice = cpu, nice
	}
	return out
}
