// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A Scheduler is a CPU scheduler in force on the whole machine. It is safe for concurrent use.
type Scheduler interface {
	harness.Extension
	// Name is the name in the kernel, unique for each instance; empty for the kernel's own scheduler.
	Name() string
	// Exit returns the reason that the kernel ended the scheduler; false if there was no exit, and always for the kernel's own.
	Exit() (SchedExit, bool)
}

// A SchedExit is the kernel's report of a scheduler's exit.
type SchedExit struct {
	Kind    string // "error", "stall", "unregistered"; of an unknown kind its number
	Code    int64  // the scheduler's own code, if it ended itself
	Reason  string // the kind in the kernel's words
	Message string // the details: the task, the callback, the time waited
	// Backtrace is the stack at the error, innermost first: symbols with offsets, or addresses.
	Backtrace []string
	// Dump is the state of all CPUs and of the waiting tasks; empty if the kernel made none.
	Dump string
}

// Failed is true for an exit by error or stall, and false if the process that enabled the scheduler disabled it.
func (e SchedExit) Failed() bool { return e.Kind != "unregistered" && e.Kind != "done" }

// String returns one line: reason and message.
func (e SchedExit) String() string {
	s := e.Reason
	if s == "" {
		s = e.Kind
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Code != 0 {
		s += fmt.Sprintf(" (code %#x)", e.Code)
	}
	return s
}

// Text returns the full report, for people: the line, the backtrace and the dump.
func (e SchedExit) Text() string {
	return fmt.Sprintf("%s: %s\n%s", e.Kind, e, e.details())
}

// details are the backtrace and the dump, in lines.
func (e SchedExit) details() string {
	var b strings.Builder
	if len(e.Backtrace) > 0 {
		b.WriteString("backtrace:\n")
		for _, at := range e.Backtrace {
			fmt.Fprintf(&b, "  %s\n", at)
		}
	}
	if e.Dump != "" {
		fmt.Fprintf(&b, "dump:\n%s\n", strings.TrimRight(e.Dump, "\n"))
	}
	return b.String()
}

// An ejectedError means that the kernel ended a scheduler that should be in force. Its text has the kernel's whole report.
type ejectedError struct {
	Name string
	Exit SchedExit
}

func (e *ejectedError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("scheduler %s was ended by the kernel: %s\n%s", e.Name, e.Exit, e.Exit.details()))
}
