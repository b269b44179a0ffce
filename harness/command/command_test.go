// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
)

// script is a command of shell scripts, by action.
func script(actions map[string]string) harness.Command {
	c := harness.Command{}
	for name, text := range actions {
		c.Contents = append(c.Contents, harness.CommandFile{Name: name, Mode: 0o755, Content: []byte("#!/bin/sh\n" + text + "\n")})
	}
	for name, field := range map[string]*string{"up": &c.Up, "sync": &c.Sync, "flush": &c.Flush, "down": &c.Down} {
		if actions[name] != "" {
			*field = "./" + name
		}
	}
	return c
}

// open is New with short limits. At the end of the test nothing of the command may be left.
func open(t *testing.T, c harness.Command, opts Options) *Command {
	t.Helper()
	labtest.AsRoot(t)
	opts.UpTime, opts.SyncTime = 2*time.Second, 2*time.Second
	o, err := New(c, opts)
	if err != nil {
		t.Fatal(err)
	}
	dir, group := o.dir, o.group.path
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		for _, path := range []string{dir, group} {
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is left: %v", path, err)
			}
		}
	})
	return o
}

// TestUp: what becomes of programs that put a variant in force, and what is said of those that do not.
func TestUp(t *testing.T) {
	for _, tt := range []struct {
		name, up, want string
		stays          bool // processes live after Up
	}{
		{"a script that ends", "echo done", "", false},
		{"a server that says so", "echo ready; exec sleep 1000", "", true},
		{"a server that says so after other lines", "echo starting; echo already; echo ready; exec sleep 1000", "", true},
		{"a daemon", "setsid sleep 1000 </dev/null & exit 0", "", true},
		{"a script that fails", "echo no backend >&2; exit 3", "exit status 3; it printed: no backend", false},
		{"a script that lacks something", "echo no IPVS here; exit 77", "no IPVS here", false},
		{"one that is killed", "kill -9 $$", "signal: killed; it printed nothing", false},
		{"one that never gets ready", "echo unready; exec sleep 1000", "not ready after ", false},
		{"one that only forks and never ends", "sleep 1000 & sleep 1000 & wait", "not ready after ", false},
		{"a server outside its cgroup", escape + "; sleep 1000 </dev/null & exit 0", "(sleep) left the cgroup of its variant", false},
		{"a server outside that says it is ready", escape + "; echo ready; exec sleep 1000", "left the cgroup of its variant", false},
		{"a server outside that names no variant", escape + "; echo ready; exec env -i sleep 1000", "left the cgroup", false},
		{"a flood", "exec yes flooding", "more than 4 MiB", false},
		{"a flood of one line", "exec tr '\\0' x </dev/zero", "more than 4 MiB", false},
		{"a flood from a fork", "(yes) & exec sleep 1000", "more than 4 MiB", false},
		{"one that needs a program", "exec kxlab-none", "exit status 127: a program was not found: name it in needs; it printed: ", false},
		{"an unknown interpreter", "", "its interpreter /no/such/program is not there: install it, and name it in needs", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := script(map[string]string{"up": tt.up})
			if tt.up == "" {
				c.Up, c.Contents = "./up", []harness.CommandFile{{Name: "up", Mode: 0o755, Content: []byte("#!/no/such/program\n")}}
			}
			o := open(t, c, Options{})
			start := time.Now()
			err := o.Up(t.Context())
			if took := time.Since(start); took > 50*time.Second { // bounded also on a machine under load
				t.Errorf("took %v", took)
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if skip := strings.Contains(tt.up, "exit 77"); skip != errors.Is(err, harness.ErrNotSupported) {
				t.Errorf("not supported: %v, want %v", !skip, skip)
			}
			if err != nil && len(err.Error()) > 4*outputKept {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if got := o.group.populated(); got != tt.stays {
				t.Errorf("processes live: %v, want %v", got, tt.stays)
			}
			if err := o.Fault(); tt.want == "" && err != nil {
				t.Errorf("fault: %v", err)
			}
		})
	}
}

// escape moves a shell to the top of the tree of cgroups v2.
const escape = "echo $$ >$(sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) .* - cgroup2 .*/\\1/p' /proc/self/mountinfo | head -n 1)/cgroup.procs"

// TestOutput: an error has a few lines of what was printed.
func TestOutput(t *testing.T) {
	y := func(n int) string { return strings.Repeat("y\n", n) }
	for _, tt := range []struct{ printed, want string }{
		{"", ""}, {"one\n", "one"}, {"a\tb\n\xff\n", "a b\n?"}, {y(10), strings.TrimSpace(y(10))},
		{y(11), y(5) + "… 3 bytes …\n" + strings.TrimSpace(y(5))},
		{y(outputKept) + "end\n", y(5) + fmt.Sprintf("… %d bytes …\n", 2*outputKept+4-2*5-(2*4+3)) + y(4) + "end"},
		{strings.Repeat("x", 3*outputKept), strings.Repeat("x", outputKept) + fmt.Sprintf("\n… %d bytes …\n", outputKept) + strings.Repeat("x", outputKept)},
	} {
		o := newOutput()
		for chunk := range slices.Chunk([]byte(tt.printed), 1000) {
			o.add(chunk)
		}
		if diff := cmp.Diff(tt.want, o.String()); diff != "" {
			t.Errorf("%.20q (-want +got):\n%s", tt.printed, diff)
		}
	}
}

// TestLeft: a process that leaves the cgroup when the variant is in force is an error of Close, and is ended, also one that names no variant.
func TestLeft(t *testing.T) {
	labtest.AsRoot(t)
	for _, then := range []string{"exec sleep 1000", "exec env -i sleep 1000"} {
		t.Run(then, func(t *testing.T) { testLeft(t, then) })
	}
}

func testLeft(t *testing.T, then string) {
	o, err := New(script(map[string]string{"up": "echo ready; read -r _ <go; " + escape + "; echo $$ >pid; " + then}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	pipe := filepath.Join(o.State(), "go")
	if err := errors.Join(unix.Mkfifo(pipe, 0o600), o.Up(t.Context()), os.WriteFile(pipe, []byte("go\n"), 0)); err != nil {
		t.Fatal(err)
	}
	var pid string
	for range 2000 {
		raw, _ := os.ReadFile(filepath.Join(o.State(), "pid"))
		if pid = strings.TrimSpace(string(raw)); pid != "" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := o.Fault(); err == nil || !strings.Contains(err.Error(), "left the cgroup") {
		t.Errorf("fault %v", err)
	}
	if err := o.Close(); err == nil || !strings.Contains(err.Error(), "left the cgroup") {
		t.Errorf("close: %v", err)
	}
	if lives(pid) {
		t.Errorf("process %s lives", pid)
	}
}

// TestFault: a program that dies, or all of whose daemons do, or that floods after it was ready.
func TestFault(t *testing.T) {
	for _, tt := range []struct{ name, up, want string }{
		{"a server dies", "echo ready; read -r _ <go; echo oops >&2; exit 7", "it has ended: exit status 7; it printed: ready\noops"},
		{"a server ends", "echo ready; read -r _ <go", "it has ended: exit status 0"},
		{"a daemon dies", "(read -r _ <go) </dev/null & exit 0", "all processes that it left have ended"},
		{"a server floods", "echo ready; read -r _ <go; exec yes", "more than 4 MiB"},
		{"a server goes into the background", "echo ready; read -r _ <go; sleep 1000 & exit 0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := open(t, script(map[string]string{"up": tt.up}), Options{})
			pipe := filepath.Join(o.State(), "go")
			if err := unix.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := o.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := o.Fault(); err != nil {
				t.Fatalf("before: %v", err)
			}
			if err := os.WriteFile(pipe, []byte("go\n"), 0); err != nil {
				t.Fatal(err)
			}
			var err error
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
				if err = o.Fault(); err != nil && tt.want != "" {
					break
				}
				if tt.want == "" && isDone(o.main) && o.main.err == nil {
					break
				}
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("fault %v, want %q", err, tt.want)
			}
		})
	}
}

func isDone(p *process) bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// TestRun: programs that change a variant or take it away.
func TestRun(t *testing.T) {
	o := open(t, script(map[string]string{
		"up":    "echo $KXLAB_ACTION >$KXLAB_STATE/last",
		"sync":  "read -r last <$KXLAB_STATE/last; [ $last = up ] && read -r word <$FILE && [ $word = services ]",
		"flush": "sleep 1000",
	}), Options{Env: []string{"A=b"}})
	if err := o.WriteFile("FILE", "services", []byte("services\n")); err != nil {
		t.Fatal(err)
	}
	if err := o.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := o.Run(t.Context(), "sync"); err != nil {
		t.Error(err)
	}
	if err := o.WriteFile("FILE", "services", []byte("other\n")); err != nil {
		t.Fatal(err)
	}
	if err := o.Run(t.Context(), "sync"); err == nil || !strings.Contains(err.Error(), "run sync: exit status 1") {
		t.Errorf("error %v, want that sync failed", err)
	}
	if err := o.Run(t.Context(), "flush"); err == nil || !strings.Contains(err.Error(), "it has not ended after ") {
		t.Errorf("error %v, want a time-out", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := o.Run(ctx, "flush"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the context's", err)
	}
}

// TestAgain: a program that stays begins anew, after it was in force and after it failed.
func TestAgain(t *testing.T) {
	o := open(t, script(map[string]string{"up": "echo x >>starts; [ -e bad ] && exit 3; echo ready; exec sleep 1000", "flush": "exit 0"}), Options{})
	for _, step := range []func(context.Context) error{o.Up, o.Again} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	bad := filepath.Join(o.State(), "bad")
	if err := os.WriteFile(bad, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := o.Again(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
	if err := o.Run(t.Context(), "flush"); err != nil { // as down of cc after an up that failed
		t.Error(err)
	}
	if err := errors.Join(os.Remove(bad), o.Again(t.Context())); err != nil {
		t.Error(err)
	}
	if starts, _ := os.ReadFile(filepath.Join(o.State(), "starts")); len(starts) != 2*4 {
		t.Errorf("started %d times, want 4", len(starts)/2)
	}
}

// TestDown: down runs after a variant was in force, and only then; one that fails is said, and all is removed.
func TestDown(t *testing.T) {
	labtest.AsRoot(t)
	for _, tt := range []struct{ name, up, want string }{
		{"in force", "exit 0", "run down: exit status 9"},
		{"never in force", "exit 1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := New(script(map[string]string{"up": tt.up, "down": "exit 9"}), Options{})
			if err != nil {
				t.Fatal(err)
			}
			dir, group := o.dir, o.group.path
			_ = o.Up(t.Context())
			err = o.Close()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			for _, path := range []string{dir, group} {
				if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is left: %v", path, err)
				}
			}
		})
	}
}

// TestReady: a program is ready when its sockets answer, which the caller asks.
func TestReady(t *testing.T) {
	asked := 0
	o := open(t, script(map[string]string{"up": "exec sleep 1000"}), Options{Ready: func() error {
		if asked++; asked < 3 {
			return errors.New("nothing listens")
		}
		return nil
	}})
	if err := o.Up(t.Context()); err != nil || asked != 3 {
		t.Errorf("error %v after %d questions", err, asked)
	}
}

// TestNeeds: what this machine lacks is not supported, and its package is named.
func TestNeeds(t *testing.T) {
	labtest.AsRoot(t)
	for _, tt := range []struct {
		need harness.Need
		want string
	}{
		{harness.Need{File: "sh"}, ""}, {harness.Need{File: "/etc/passwd"}, ""},
		{harness.Need{File: "kxlab-none", Package: "none-utils"}, "apt-get install none-utils"},
		{harness.Need{File: "/no/such/file", Package: "none-files"}, "apt-get install none-files"},
	} {
		o, err := New(harness.Command{Up: "./up", Needs: []harness.Need{tt.need}}, Options{})
		if tt.want == "" {
			if err == nil {
				err = o.Close()
			}
			if err != nil {
				t.Errorf("%v: %v", tt.need, err)
			}
			continue
		}
		if !errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: error %v, want a skip with %q", tt.need, err, tt.want)
		}
	}
}

// TestMounts: what programs mount, and the namespaces that they name, are seen by the variant's programs alone and end with them. Immutable files
// go.
func TestMounts(t *testing.T) {
	o := open(t, script(map[string]string{
		"up":   "mkdir m && mount -t tmpfs none m && touch m/inside && ip netns add kxtest && touch fixed && { chattr +i fixed || true; }",
		"sync": "[ -e m/inside ] && ip netns list | grep -q kxtest && [ $(readlink /proc/self/ns/mnt) != " + ownMounts(t) + " ]",
	}), Options{})
	if err := o.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := o.Run(t.Context(), "sync"); err != nil {
		t.Error(err)
	}
	for _, path := range []string{filepath.Join(o.State(), "m", "inside"), "/run/netns/kxtest"} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is outside, too: %v", path, err)
		}
	}
}

// ownMounts names the mount namespace of this process.
func ownMounts(t *testing.T) string {
	t.Helper()
	name, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	return name
}
