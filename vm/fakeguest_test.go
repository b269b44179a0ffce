// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A fakeGuest is a shell script in QEMU's place: its console is descriptor 3, its channel 4.
type fakeGuest struct {
	console string
	frames  []byte
	script  string // runs after console and frames were written
	cmd     Cmd
}

// start starts the script as a guest.
func (g *fakeGuest) start(t *testing.T, ctx context.Context) *Cmd {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"console": []byte(g.console), "frames": g.frames} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := &g.cmd
	script := "cat " + dir + "/console >&3; cat " + dir + "/frames >&4; " + g.script
	var err error
	if c.run, err = startGuest(ctx, c, &launch{qemu: "/bin/sh", args: []string{"-c", script}}); err != nil {
		t.Fatal(err)
	}
	return c
}

// wait waits for the guest's end, at most ten seconds.
func wait(t *testing.T, c *Cmd) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("Wait does not return")
		return nil
	}
}

func jsonFrame(b []byte, kind frameKind, v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return encodeFrame(b, kind, raw)
}

// setUp are the frames of a guest up to the start of its program.
func setUp() []byte {
	return jsonFrame(jsonFrame(nil, frameHello, hello{Release: "7.2"}), frameReady, Ready{Release: "7.2"})
}

const (
	panicText = "[    1.2] x: y\r\n[    1.3] Kernel panic - not syncing: sysrq triggered crash\r\n[    1.3] Call Trace:\r\n"
	oopsText  = "[    1.1] Oops: divide error: 0000 [#1] SMP NOPTI\n[    1.1] CPU: 0 UID: 0 PID: 9 Comm: kxlab\n[    1.1] RIP: 0010:tcp_x+0x1/0x9\n" +
		"[    1.1] CR2: 0000314e7c7dc000\n[    1.1] RIP: 0010:later+0x1/0x9\n[    1.1] PKRU: 55555554\n" +
		"[    1.2] Kernel panic - not syncing: Fatal exception in interrupt\n[    1.2] Kernel Offset: disabled\n"
	initText  = "[    1.3] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n"
	oomText   = "[    2.0] Out of memory: Killed process 71 (kxlab) total-vm:1kB\n"
	cgText    = "[    2.0] Memory cgroup out of memory: Killed process 71 (kxlab) total-vm:1kB\n"
	warnText  = "[    3.0][  T9] WARNING: CPU: 0 PID: 9 at lib/x.c:1 f+0x0/0x10\n"
	initrdOOM = "[    0.5] Initramfs unpacking failed: write error\n[    0.6] Kernel panic - not syncing: No working init found.\n"
)

func TestGuestEndsAs(t *testing.T) {
	exit := func(s exitStatus) []byte { return jsonFrame(setUp(), frameExit, s) }
	for _, c := range []struct {
		name  string
		guest fakeGuest
		want  ExitError // no cause: the guest ends well; Console: a part of it
	}{
		{"well", fakeGuest{frames: exit(exitStatus{})}, ExitError{}},
		{"program's code", fakeGuest{frames: exit(exitStatus{Code: 7})}, ExitError{Code: 7, Cause: CauseProgram}},
		{"not run", fakeGuest{frames: exit(exitStatus{Code: 127, Error: "no such program"})}, ExitError{127, CauseNotRun, "no such program", ""}},
		{"one killed", fakeGuest{console: oomText, frames: exit(exitStatus{Code: 137, OOM: 1}), cmd: Cmd{Memory: 256 << 20}},
			ExitError{137, CauseMemory, "the kernel killed 1 process; the guest has 256 MiB: give it more", "Killed process 71"}},
		{"two killed", fakeGuest{frames: exit(exitStatus{OOM: 2})}, ExitError{0, CauseMemory, "the kernel killed 2 processes; the guest has 1024 MiB: give it more", ""}},
		{"killed in a cgroup", fakeGuest{console: cgText, frames: exit(exitStatus{OOM: 1})},
			ExitError{0, CauseMemory, "the kernel killed 1 process; raise the limit of the cgroup", "Memory cgroup"}},
		{"warning", fakeGuest{console: warnText, frames: exit(exitStatus{})}, ExitError{0, CauseSplat, "WARNING: CPU: 0 PID: 9 at lib/x.c:1 f+0x0/0x10", "lib/x.c"}},
		{"taint of a warning", fakeGuest{frames: exit(exitStatus{Tainted: 1 << 9})}, ExitError{0, CauseSplat, "", ""}},
		{"taint of an oops", fakeGuest{frames: exit(exitStatus{Tainted: 1 << 7})}, ExitError{0, CauseSplat, "", ""}},
		{"taint of a module", fakeGuest{frames: exit(exitStatus{Tainted: 1 << 12})}, ExitError{}},
		{"panic", fakeGuest{console: panicText, frames: setUp()}, ExitError{codeLost, CausePanic, "sysrq triggered crash", "x: y\n[    1.3] Kernel panic - not syncing: sysrq triggered crash\n[    1.3] Call Trace:"}},
		{"panic after an oops", fakeGuest{console: panicText[:16] + oopsText, frames: setUp()}, ExitError{codeLost, CausePanic,
			"Oops: divide error: 0000 [#1] SMP NOPTI, RIP: 0010:tcp_x+0x1/0x9; Fatal exception in interrupt",
			"[    1.1] RIP: 0010:tcp_x+0x1/0x9\n[    1.1] CR2: 0000314e7c7dc000\n[    1.1] RIP: 0010:later+0x1/0x9\n[    1.1] PKRU: 55555554\n[    1.2] Kernel panic - not syncing: Fatal exception in interrupt"}},
		{"init died", fakeGuest{console: initText, frames: setUp()}, ExitError{codeLost, CauseAgentLost, "Attempted to kill init! exitcode=0x0000000b", "Attempted"}},
		{"image too big", fakeGuest{console: initrdOOM}, ExitError{codeLost, CauseMemory, "Initramfs unpacking failed: write error; the guest has 1024 MiB: give it more", "write error"}},
		{"no report", fakeGuest{console: "[ 1.0] last line\n", frames: setUp()}, ExitError{codeLost, CausePanic, "guest exited without a final report", "last line"}},
		{"no report after a warning", fakeGuest{console: warnText, frames: setUp()}, ExitError{codeLost, CausePanic, "guest exited without a final report", "lib/x.c"}},
		{"QEMU fails", fakeGuest{script: "echo 'qemu: no such machine' >&2; exit 1"}, ExitError{codeLost, CauseQEMU, "qemu: no such machine", ""}},
		{"QEMU is killed", fakeGuest{console: warnText, frames: setUp(), script: "kill -9 $$"}, ExitError{codeLost, CauseKilled, "signal: killed", ""}},
		{"QEMU is terminated", fakeGuest{frames: setUp(), script: "echo 'qemu: terminating on signal 15 from pid 7 (kill)' >&2"},
			ExitError{codeLost, CauseKilled, "qemu: terminating on signal 15 from pid 7 (kill)", ""}},
		{"a killed QEMU after a panic", fakeGuest{console: panicText, script: "kill -9 $$"}, ExitError{codeLost, CausePanic, "sysrq triggered crash", "panic"}},
		{"not ready", fakeGuest{console: warnText, frames: jsonFrame(nil, frameHello, hello{}), script: "exec sleep 60", cmd: Cmd{Boot: time.Second}},
			ExitError{codeLost, CauseHang, "not ready within 1s of its start", "lib/x.c"}},
		{"silent", fakeGuest{frames: setUp(), script: "exec sleep 60", cmd: Cmd{Silence: time.Second}}, ExitError{codeLost, CauseHang, "it sent nothing for 1s", ""}},
		{"silent after a panic", fakeGuest{console: panicText, frames: setUp(), script: "exec sleep 60", cmd: Cmd{Silence: time.Second}},
			ExitError{codeLost, CausePanic, "it sent nothing for 1s", "sysrq"}},
		{"no frame", fakeGuest{frames: append(setUp(), "garbage"...)}, ExitError{codeLost, CauseOutput, "read frame: channel is garbled", ""}},
		{"unknown frame", fakeGuest{frames: encodeFrame(setUp(), 'z', nil)}, ExitError{codeLost, CauseOutput, "channel is garbled: frame of kind 'z'", ""}},
		{"output refused", fakeGuest{frames: encodeFrame(setUp(), frameStdout, []byte("x")), cmd: Cmd{Stdout: refusing{}}},
			ExitError{codeLost, CauseOutput, "no space", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := wait(t, c.guest.start(t, t.Context()))
			var got *ExitError
			if !errors.As(err, &got) {
				if got = (&ExitError{}); err != nil {
					t.Fatal(err)
				}
			}
			if got.Code != c.want.Code || got.Cause != c.want.Cause || !strings.HasPrefix(got.Detail, c.want.Detail) ||
				(c.want.Detail == "") != (got.Detail == "") || !strings.Contains(got.Console, c.want.Console) || strings.Contains(got.Console, "\r") {
				t.Errorf("%+v, want %+v", *got, c.want)
			}
		})
	}
}

type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, errors.New("no space") }

// TestGuestOutput: output of the guest reaches the caller's writers, in order, before Wait returns.
func TestGuestOutput(t *testing.T) {
	frames := encodeFrame(encodeFrame(encodeFrame(setUp(), frameStdout, []byte("a")), frameStderr, []byte("b")), frameStdout, []byte("c"))
	var out, errs, console bytes.Buffer
	readied := false
	g := fakeGuest{console: "kernel\n", frames: jsonFrame(encodeFrame(frames, frameBeat, nil), frameExit, exitStatus{}),
		cmd: Cmd{Stdout: &out, Stderr: &errs, Console: &console, OnReady: func(r Ready) { readied = r.Release == "7.2" && out.Len() == 0 }}}
	c := g.start(t, t.Context())
	if err := wait(t, c); err != nil {
		t.Error(err)
	}
	if out.String() != "ac" || errs.String() != "b" || console.String() != "kernel\n" || !readied || c.ready().Release != "7.2" {
		t.Errorf("output %q, errors %q, console %q, ready %v", out.String(), errs.String(), console.String(), readied)
	}
}

// blocking is a writer without a reader: its Write returns when it is closed.
type blocking struct{ entered, closed chan bool }

func newBlocking(t *testing.T) *blocking {
	b := &blocking{make(chan bool, 9), make(chan bool)}
	t.Cleanup(func() { close(b.closed) })
	return b
}

func (b *blocking) Write([]byte) (int, error) {
	b.entered <- true
	<-b.closed
	return 0, io.ErrClosedPipe
}

// A writer of the caller's that blocks keeps no guest from being stopped, and its guest is not silent meanwhile.
func TestBlockedOutput(t *testing.T) {
	for _, kind := range []frameKind{frameStdout, frameStderr} {
		w := newBlocking(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		g := fakeGuest{frames: encodeFrame(setUp(), kind, []byte("x")), script: "exec sleep 60", cmd: Cmd{Silence: 200 * time.Millisecond, Stdout: w, Stderr: w}}
		c := g.start(t, ctx)
		<-w.entered
		time.Sleep(400 * time.Millisecond)
		select {
		case <-c.run.done:
			t.Errorf("stopped while its output was being written: %v", c.Wait())
		default:
		}
		cancel()
		if err := wait(t, c); !errors.Is(err, context.Canceled) {
			t.Errorf("%c: %v, want the context's error", kind, err)
		}
	}
}

// Nor does a blocked console keep Wait from returning, and what the console said is known all the same.
func TestBlockedConsole(t *testing.T) {
	w := newBlocking(t)
	g := fakeGuest{console: panicText, frames: setUp(), cmd: Cmd{Console: w}}
	var exit *ExitError
	if err := wait(t, g.start(t, t.Context())); !errors.As(err, &exit) || exit.Cause != CausePanic || !strings.Contains(exit.Console, "sysrq") {
		t.Errorf("%v, want %q", err, CausePanic)
	}
}
