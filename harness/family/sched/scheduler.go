// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A scheduler is a CPU scheduler in force on the whole machine. It is safe for concurrent use.
type scheduler interface {
	harness.Extension
	// Name is what the kernel calls it; no other instance has the same. Empty for the kernel's own.
	Name() string
	// Exit says why the kernel ended the scheduler; false while it did not, and for the kernel's own always.
	Exit() (schedExit, bool)
}

// A schedExit is why the kernel ended a scheduler.
type schedExit struct {
	Kind    string // "error", "stall", "unregistered"; of an unknown kind its number
	Code    int64  // what the scheduler gave, if it ended itself
	Reason  string // the kind in the kernel's words
	Message string // the case: who did what, which task waited for how long
	// Backtrace is where the kernel found the error, innermost first: symbols with offsets, or addresses.
	Backtrace []string
	// Dump is the state of all CPUs and of the tasks that waited; empty where the kernel made none.
	Dump string
}

// failed tells whether the scheduler did something wrong, rather than being taken out by whoever put it in force.
func (e schedExit) failed() bool { return e.Kind != "unregistered" && e.Kind != "done" }

// String is one line: reason and message.
func (e schedExit) String() string {
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

// text is everything, for people: the line, the backtrace and the dump.
func (e schedExit) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", e.Kind, e)
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

// An ejectedError says that the kernel ended a scheduler that was to be in force.
type ejectedError struct {
	Name string
	Exit schedExit
}

func (e *ejectedError) Error() string {
	return fmt.Sprintf("scheduler %s was ended by the kernel: %s", e.Name, e.Exit)
}
