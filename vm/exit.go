// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// A Cause is why a guest did not end well.
type Cause string

const (
	CauseProgram   Cause = "program failed"         // it ended with another code than 0
	CauseNotRun    Cause = "program was not run"    // the guest could not be set up, or there is no such program
	CausePanic     Cause = "kernel panic"           // or it stopped without a word
	CauseSplat     Cause = "kernel splat"           // a BUG, a WARNING, an oops: the guest went on, but it is not to be trusted
	CauseMemory    Cause = "out of memory"          // the kernel killed for want of it
	CauseHang      Cause = "hung"                   // nothing came from it for too long
	CauseAgentLost Cause = "lost its first process" // which was to say how the program ended
	CauseKilled    Cause = "QEMU was killed"        // by someone else
	CauseQEMU      Cause = "QEMU failed"            // it did not take its arguments, or crashed
	CauseOutput    Cause = "output could not be written"
)

// codeLost is the exit code of a guest whose program's own is not known.
const codeLost = 255

// An ExitError is how a guest ended that did not end well.
type ExitError struct {
	Code    int // of the program; 255 if it is not known
	Cause   Cause
	Detail  string // one line, may be empty
	Console string // the relevant part of what the kernel wrote, may be empty
}

func (e *ExitError) Error() string {
	s := "guest: " + string(e.Cause)
	if e.Cause == CauseProgram {
		s = fmt.Sprintf("guest: program ended with code %d", e.Code)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Console != "" {
		s += "\n  " + indent(e.Console)
	}
	return s
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n  ") }

// judge makes an error of how the guest ended.
func (r *guestRun) judge(status *exitStatus, reason stopReason) error {
	text := strings.ReplaceAll(string(r.console.kept), "\r", "")
	e := &ExitError{Code: codeLost}
	switch reason {
	case stoppedByContext:
		return fmt.Errorf("guest was ended: %w", context.Cause(r.ctx))
	case stoppedDone:
		e.Code = status.Code
		e.Cause, e.Detail, e.Console = judgeStatus(status, text)
		if e.Cause == "" {
			return nil
		}
		return e
	case stoppedGarbled:
		e.Cause, e.Detail, e.Console = CauseOutput, r.garbled.Error(), lastConsole(text)
		return e
	}
	// It did not say how it ended: the console may know.
	e.Cause, e.Detail, e.Console = judgeConsole(text)
	if reason == stoppedBoot || reason == stoppedSilent {
		if e.Cause == "" || e.Cause == CauseSplat {
			e.Cause, e.Console = CauseHang, lastConsole(text)
		}
		e.Detail = fmt.Sprintf("nothing came from it for %v", orElse(r.cmd.Silence, SilenceTime))
		if reason == stoppedBoot {
			e.Detail = fmt.Sprintf("not ready %v after its start", orElse(r.cmd.Boot, BootTime))
		}
		return e
	}
	state := r.process.ProcessState
	switch {
	case e.Cause != "" && e.Cause != CauseSplat:
	case state != nil && !state.Exited():
		e.Cause, e.Detail, e.Console = CauseKilled, state.String(), ""
	case state != nil && !state.Success():
		e.Cause, e.Detail = CauseQEMU, lastLines(r.stderr.String(), 3)
	default:
		e.Cause, e.Detail, e.Console = CausePanic, "the guest stopped without a word", lastConsole(text)
	}
	return e
}

// judgeStatus finds what is wrong in what the guest said of its end.
func judgeStatus(s *exitStatus, console string) (Cause, string, string) {
	cause, line, excerpt := judgeConsole(console)
	const taintDie, taintWarn = 1 << 7, 1 << 9 // Documentation/admin-guide/tainted-kernels.rst
	switch {
	case s.Error != "":
		return CauseNotRun, s.Error, excerpt
	case s.OOM > 0:
		return CauseMemory, killedFor(s.OOM), excerpt
	case s.Tainted&(taintDie|taintWarn) != 0 || cause == CauseSplat:
		return CauseSplat, line, excerpt
	case s.Code != 0:
		return CauseProgram, "", ""
	}
	return "", "", ""
}

func killedFor(n int) string {
	if n == 1 {
		return "1 process was killed for want of memory"
	}
	return fmt.Sprintf("%d processes were killed for want of memory", n)
}

// What the console says, worst first.
var consoleSigns = []struct {
	re    *regexp.Regexp
	cause Cause
}{
	{regexp.MustCompile(`(?m)^.*(System is deadlocked on memory|Out of memory and no killable|Initramfs unpacking failed: write error).*$`), CauseMemory},
	{regexp.MustCompile(`(?m)^.*Kernel panic - not syncing: (Attempted to kill init|No working init found|Requested init).*$`), CauseAgentLost},
	{regexp.MustCompile(`(?m)^.*Kernel panic - not syncing.*$`), CausePanic},
	{regexp.MustCompile(`(?m)^.*(Out of memory: Killed process|Memory cgroup out of memory).*$`), CauseMemory},
	{regexp.MustCompile(`(?m)^.*(BUG: |kernel BUG at |WARNING: .*at |Oops: |general protection fault|INFO: rcu.*detected|soft lockup|INFO: task .*blocked for more than).*$`), CauseSplat},
}

// beforeWords is what the kernel puts before its words: when, and at a panic what everyone knows.
var beforeWords = regexp.MustCompile(`^(<\d>)?(\[[ \d.]*\] ?)?(\[[ TC\d]*\] ?)?(Kernel panic - not syncing: )?`)

// judgeConsole finds the worst thing that the kernel wrote: what it means, the line, and that with what surrounds it.
func judgeConsole(text string) (cause Cause, line, part string) {
	for _, sign := range consoleSigns {
		if at := sign.re.FindStringIndex(text); at != nil {
			line = text[at[0]:at[1]]
			return sign.cause, strings.TrimSpace(line[len(beforeWords.FindString(line)):]), excerpt(text, at[0])
		}
	}
	return "", "", ""
}

const excerptBefore, excerptLines = 2, 24

// excerpt returns the lines about a place in a text.
func excerpt(text string, at int) string {
	before := strings.Split(text[:at], "\n")
	lead := before[max(0, len(before)-1-excerptBefore) : len(before)-1]
	lines := strings.Split(text[at:], "\n")
	return strings.TrimSpace(strings.Join(append(append([]string{}, lead...), lines[:min(len(lines), excerptLines)]...), "\n"))
}

// lastConsole returns the last lines of the console.
func lastConsole(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}
