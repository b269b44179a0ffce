// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Cause is why a guest failed.
type Cause string

const (
	CauseProgram   Cause = "program failed"      // its exit code is not 0
	CauseNotRun    Cause = "program was not run" // set-up failed, or the guest lacks the program
	CausePanic     Cause = "kernel panic"        // or the guest exited without a final report
	CauseSplat     Cause = "kernel splat"        // BUG, WARNING or oops: the guest went on, but its results are not valid
	CauseMemory    Cause = "out of memory"       // the kernel killed a process, or panicked
	CauseHang      Cause = "hung"                // it sent no frame for too long
	CauseAgentLost Cause = "init died"           // the guest's first process, which reports how the program ended
	CauseKilled    Cause = "QEMU was killed"     // by another process
	CauseQEMU      Cause = "QEMU failed"         // wrong arguments, or a crash
	CauseOutput    Cause = "output could not be written"
)

// noReport is the detail of a guest whose console does not show why it ended.
const noReport = "guest exited without a final report"

// endedBySignal is what QEMU writes when SIGTERM, SIGINT or SIGHUP ends it, before it exits with 0.
const endedBySignal = "terminating on signal"

// codeLost is the exit code of a guest whose program's exit code is not known.
const codeLost = 255

// An ExitError tells how a guest failed.
type ExitError struct {
	Code    int // exit code of the program; 255 if it is not known
	Cause   Cause
	Detail  string // one line, may be empty
	Console string // the part of the console that shows the cause, may be empty
}

// Crashed reports whether the guest's kernel panicked and said why.
func (e *ExitError) Crashed() bool { return e.Cause == CausePanic && e.Detail != noReport }

// Outside reports whether QEMU was ended from outside, or failed by itself: that says nothing about what ran in the guest.
func (e *ExitError) Outside() bool { return e.Cause == CauseKilled || e.Cause == CauseQEMU }

func (e *ExitError) Error() string {
	s := "guest: " + string(e.Cause)
	if e.Cause == CauseProgram {
		s = fmt.Sprintf("guest: program exited with code %d", e.Code)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Console != "" {
		s += "\n  " + strings.ReplaceAll(e.Console, "\n", "\n  ")
	}
	return s
}

// judge returns the error for how the guest ended; nil if the program exited with 0 on a sound kernel.
func (r *guestRun) judge(status *exitStatus, reason stopReason) error {
	text := strings.ReplaceAll(r.console.text(), "\r", "")
	e := &ExitError{Code: codeLost}
	switch reason {
	case stopContext:
		return fmt.Errorf("guest was stopped: %w", context.Cause(r.ctx))
	case stopDone:
		e.Code = status.Code
		e.Cause, e.Detail, e.Console = judgeStatus(status, text, r.cmd.Memory)
		if e.Cause == "" {
			return nil
		}
		return e
	case stopFrame:
		e.Cause, e.Detail, e.Console = CauseOutput, r.frameErr.Error(), lastConsole(text)
		return e
	}
	// There is no final report: the console may show why.
	e.Cause, e.Detail, e.Console = judgeConsole(text)
	if e.Cause == CauseMemory {
		e.Detail += "; " + memoryRemedy(e.Detail, r.cmd.Memory)
	}
	if reason == stopBoot || reason == stopSilence {
		if e.Cause == "" || e.Cause == CauseSplat {
			e.Cause, e.Console = CauseHang, lastConsole(text)
		}
		e.Detail = fmt.Sprintf("it sent nothing for %v", cmp.Or(r.cmd.Silence, SilenceTime))
		if reason == stopBoot {
			e.Detail = fmt.Sprintf("not ready within %v of its start", cmp.Or(r.cmd.Boot, BootTime))
		}
		return e
	}
	state := r.process.ProcessState
	switch {
	case e.Cause != "" && e.Cause != CauseSplat:
	case state != nil && !state.Exited():
		e.Cause, e.Detail, e.Console = CauseKilled, state.String(), ""
	case strings.Contains(r.stderr.String(), endedBySignal):
		e.Cause, e.Detail, e.Console = CauseKilled, lastLines(r.stderr.String(), 1), ""
	case state != nil && !state.Success():
		e.Cause, e.Detail = CauseQEMU, lastLines(r.stderr.String(), 3)
	default:
		e.Cause, e.Detail, e.Console = CausePanic, noReport, lastConsole(text)
	}
	return e
}

// judgeStatus returns cause, detail and console excerpt for a guest with a final report; no cause if it did not fail. Memory is the
// guest's, bytes; 0: DefaultMemory.
func judgeStatus(s *exitStatus, console string, memory int64) (Cause, string, string) {
	cause, line, excerpt := judgeConsole(console)
	const taintDie, taintWarn = 1 << 7, 1 << 9 // Documentation/admin-guide/tainted-kernels.rst
	switch {
	case s.Error != "":
		return CauseNotRun, s.Error, excerpt
	case s.OOM > 0:
		return CauseMemory, killedFor(s.OOM) + "; " + memoryRemedy(line, memory), excerpt
	case s.Tainted&(taintDie|taintWarn) != 0 || cause == CauseSplat:
		return CauseSplat, line, excerpt
	case s.Code != 0:
		return CauseProgram, "", ""
	}
	return "", "", ""
}

func killedFor(n int) string {
	if n == 1 {
		return "the kernel killed 1 process"
	}
	return fmt.Sprintf("the kernel killed %d processes", n)
}

func memoryRemedy(line string, memory int64) string {
	if strings.Contains(line, "Memory cgroup") {
		return "raise the limit of the cgroup"
	}
	return fmt.Sprintf("the guest has %d MiB: give it more", cmp.Or(memory, DefaultMemory)>>20)
}

// consoleFaults match the kernel's reports of faults, the most severe first.
var consoleFaults = []struct {
	re    *regexp.Regexp
	cause Cause
}{
	{regexp.MustCompile(`(?m)^.*(System is deadlocked on memory|Out of memory and no killable|Initramfs unpacking failed: write error).*$`), CauseMemory},
	{regexp.MustCompile(`(?m)^.*Kernel panic - not syncing: (Attempted to kill init|No working init found|Requested init).*$`), CauseAgentLost},
	{regexp.MustCompile(`(?m)^.*Kernel panic - not syncing.*$`), CausePanic},
	{regexp.MustCompile(`(?m)^.*(Out of memory: Killed process|Memory cgroup out of memory).*$`), CauseMemory},
	{regexp.MustCompile(`(?m)^.*(BUG: |kernel BUG at |WARNING: .*at |Oops: |general protection fault|INFO: rcu.*detected|soft lockup|INFO: task .*blocked for more than).*$`), CauseSplat},
}

// linePrefix matches the level, the time and the thread of a line, and the prefix of panics.
var linePrefix = regexp.MustCompile(`^(<\d>)?(\[[ \d.]*\] ?)?(\[[ TC\d]*\] ?)?(Kernel panic - not syncing: )?`)

// exceptionRE matches the first line of the kernel's report of an exception or a warning, after which it may panic, ripRE where that was.
var (
	exceptionRE = regexp.MustCompile(`(?m)^.*(BUG: |kernel BUG at |Oops: |general protection fault|WARNING: .*at |: [0-9a-f]{4} \[#[0-9]).*$`)
	ripRE       = regexp.MustCompile(`RIP: .*`)
)

// judgeConsole returns the most severe fault on the console: its cause, its line without the prefix, and the lines around it. Of a panic
// after an exception or a warning, the line begins with that and its instruction pointer, and the lines are those of the exception.
func judgeConsole(text string) (cause Cause, line, context string) {
	for _, fault := range consoleFaults {
		at := fault.re.FindStringIndex(text)
		if at == nil {
			continue
		}
		line, context = faultLine(text, at), excerpt(text, at[0])
		if from := exceptionRE.FindStringIndex(text[:at[0]]); from != nil && (fault.cause == CausePanic || fault.cause == CauseAgentLost) {
			last := text[at[0]:at[1]]
			text = text[:at[0]]
			reason := faultLine(text, from)
			if rip := ripRE.FindString(text[from[1]:]); rip != "" {
				reason += ", " + strings.TrimSpace(rip)
			}
			line, context = reason+"; "+line, excerpt(text, from[0])+"\n"+last
		}
		return fault.cause, line, context
	}
	return "", "", ""
}

// faultLine is a line of the console without its prefix.
func faultLine(text string, at []int) string {
	line := text[at[0]:at[1]]
	return strings.TrimSpace(line[len(linePrefix.FindString(line)):])
}

const excerptBefore, excerptLines = 2, 24

func excerpt(text string, at int) string {
	before := strings.Split(text[:at], "\n")
	lead := before[max(0, len(before)-1-excerptBefore) : len(before)-1]
	lines := strings.Split(text[at:], "\n")
	return strings.TrimSpace(strings.Join(slices.Concat(lead, lines[:min(len(lines), excerptLines)]), "\n"))
}

// lastConsole returns the last lines of the console.
func lastConsole(text string) string { return joinLast(text, 12, "\n") }
