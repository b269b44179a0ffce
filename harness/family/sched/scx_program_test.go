// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// program is a variant whose up is a role of this binary: a script of which it is the interpreter.
func program(role string) harness.Variant {
	return harness.Variant{Name: "t", Class: "general", Attach: harness.AttachCommand, Command: &harness.Command{Up: "./" + role,
		Contents: []harness.CommandFile{{Name: role, Mode: 0o755, Content: []byte("#!/usr/bin/kxlab\n")}}}}
}

// TestGuestProgram: a scheduler that a program attached is in force while sched_ext says so; a program that attaches none, or ends, is said.
func TestGuestProgram(t *testing.T) {
	inGuest(t)
	s := putScheduler(t, program("hold"))
	now, err := sys.ReadSchedState(sys.SysSchedExt)
	if err != nil || now.State != "enabled" || now.Ops != s.Name() || s.Name() == "" {
		t.Errorf("in force: %+v, %v; name %q", now, err, s.Name())
	}
	if err := s.InForce(); err != nil {
		t.Error(err)
	}
	if _, err := tryScheduler(program("hold")); err == nil || !strings.Contains(err.Error(), "is in force already") {
		t.Errorf("a second one: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	ownInForce(t)
	if s.InForce() == nil {
		t.Error("in force after Close")
	}

	s = putScheduler(t, program("hold"))
	_ = unix.Kill(s.(*schedProgram).program.Pid(), unix.SIGKILL)
	ownInForce(t)
	if err := s.InForce(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("after its program was killed: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	for role, want := range map[string]string{"exit": "its program is ready, and sched_ext is disabled", "sleep": "not ready after "} {
		start := time.Now()
		if _, err := tryScheduler(program(role)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("program %s: %v, want %q", role, err, want)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("program %s took %v", role, took)
		}
		ownInForce(t)
	}
}
