// SPDX-License-Identifier: Apache-2.0

package harness

// A Scheduler is a CPU scheduler in force: the kernel's own, or one that sched_ext runs. Only one can be in force at a
// time.
type Scheduler interface {
	Extension
	// Name is what the kernel calls it, as in /sys/kernel/sched_ext/root/ops; for the kernel's own, its own name.
	Name() string
	// Exit tells why the kernel took it out of force; false while it has not.
	Exit() (SchedExit, bool)
}

// A SchedExit is why the kernel took a scheduler out of force, in its own words.
type SchedExit struct {
	Kind      string // what sort of exit: "unregistered", "error", "stall", …
	Reason    string
	Message   string // of the scheduler or of the check that failed
	Backtrace string // one frame a line
	Dump      string // the state of the CPUs and the tasks at that moment
}

// ClassBroken is the class of variants that are broken on purpose, to show that the gate catches them: one that passes
// its gate is the failure.
const ClassBroken = "broken"
