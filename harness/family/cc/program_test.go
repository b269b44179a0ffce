// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/labtest/inguest"
	"github.com/kxlab/kxlab/vm"
)

// TestMain lets the test binary be the first process of a guest.
func TestMain(m *testing.M) {
	vm.Guest() // does not return in a guest
	os.Exit(m.Run())
}

// program is a variant whose up and down are shell scripts; an empty down is none.
func program(name, up, down string) harness.Variant {
	c := &harness.Command{Up: "up"}
	add := func(name, script string) {
		c.Contents = append(c.Contents, harness.CommandFile{Name: name, Mode: 0o755, Content: []byte("#!/bin/sh\nset -e\n" + script)})
	}
	add("up", up)
	if down != "" {
		c.Down = "down"
		add("down", down)
	}
	return harness.Variant{Name: name, Class: "cc", Attach: harness.AttachCommand, Command: c}
}

// A fakeModule stands for modules, which this machine may lack: it registers algorithms when up asks for them, and removes them when down does.
type fakeModule struct {
	dir   string
	names []string
	mu    sync.Mutex
	in    []*bpfCC
}

// ask is a line of a script: it has the module do something, and waits until that is done.
func (m *fakeModule) ask(what string) string {
	return fmt.Sprintf(": >%[1]s/%[2]s; while [ -e %[1]s/%[2]s ]; do sleep 0.01; done\n", m.dir, what)
}

// serve does what scripts ask for until the test ends.
func (m *fakeModule) serve(t *testing.T) {
	quit, done := make(chan bool), make(chan bool)
	t.Cleanup(func() { close(quit); <-done; m.remove(t) })
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(2 * time.Millisecond):
			}
			for what, do := range map[string]func(*testing.T){"insert": m.insert, "remove": m.remove} {
				if path := filepath.Join(m.dir, what); fileExists(path) {
					do(t)
					_ = os.Remove(path)
				}
			}
		}
	}()
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (m *fakeModule) insert(t *testing.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range m.names {
		o, err := bpfobj.OpenCC(ccVariant("cc/bpf_reno"))
		if err == nil {
			var c *bpfCC
			if c, err = registerCC(bpfobj.New(bpfobj.Options{}).Types, o, name, nil); err == nil {
				m.in = append(m.in, c)
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func (m *fakeModule) remove(t *testing.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.in {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	m.in = nil
}

// TestProgram: an algorithm that a program made is in force while it is listed and the program lives, and goes with it.
func TestProgram(t *testing.T) {
	at := labtest.BpfSite(t)
	for _, tt := range []struct {
		name, up string
		spoil    func(m *fakeModule, c *programCC)
		want     string // InForce's error after spoil
	}{
		{"a script", "", func(m *fakeModule, _ *programCC) { m.remove(t) }, "no longer lists the name"},
		{"a server", "echo ready; exec sleep 1000", func(_ *fakeModule, c *programCC) { _ = unix.Kill(c.program.Pid(), unix.SIGKILL) }, "signal: killed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &fakeModule{dir: t.TempDir(), names: []string{"t_mine"}}
			m.serve(t)
			downs := filepath.Join(m.dir, "downs")
			v := program("t_mine", m.ask("insert")+tt.up, "echo >>"+downs+"\n"+m.ask("remove"))
			for round, spoiled := range []bool{false, true} {
				e, err := methods(bpfobj.New(bpfobj.Options{})).Put(t.Context(), v, at)
				if err != nil {
					t.Fatal(err)
				}
				if err := e.InForce(); err != nil || e.Algorithm() != "t_mine" {
					t.Errorf("%s: %v", e.Algorithm(), err)
				}
				if spoiled {
					tt.spoil(m, e.(*programCC))
					for deadline := time.Now().Add(5 * time.Second); err == nil && time.Now().Before(deadline); err = e.InForce() {
					}
					wantError(t, err, false, tt.want)
				}
				if err := errors.Join(e.Close(), e.Close()); err != nil {
					t.Error(err)
				}
				wantUnlisted(t, "t_mine")
				if raw, _ := os.ReadFile(downs); len(raw) != round+1 {
					t.Errorf("down ran %d times in %d rounds", len(raw), round+1)
				}
				if e.InForce() == nil {
					t.Error("in force after Close")
				}
			}
		})
	}
}

// wantUnlisted fails if the kernel lists an algorithm.
func wantUnlisted(t *testing.T, name string) {
	t.Helper()
	if names, err := availableCC(); err != nil || slices.Contains(names, name) {
		t.Errorf("the kernel lists %v, %v", names, err)
	}
}

// TestBadProgram: what is wrong with a program is said in bounded time, and nothing of it is left.
func TestBadProgram(t *testing.T) {
	at := labtest.BpfSite(t)
	const insert, remove = "INSERT\n", "REMOVE"
	for _, tt := range []struct {
		name, variant, up, down string
		skip                    bool
		want                    string
		left                    bool // down does not remove what up made
	}{
		{"makes none", "t_mine", "exit 0", remove, false, "does not list t_mine (new: none)", false},
		{"makes others", "t_mine", insert, remove, false, "does not list t_mine (new: t_one, t_two)", false},
		{"fails after it made some", "t_one", insert + "echo oops; exit 3", remove, false, "run up: exit status 3; it printed: oops", false},
		{"dies after it made some", "t_one", insert + "kill -9 $$", remove, false, "run up: signal: killed", false},
		{"down does nothing", "t_mine", insert, "exit 0", false, "still lists t_one, t_two: the program down has to remove", true},
		{"no down", "t_mine", insert, "", false, "still lists t_one, t_two", true},
		{"down fails", "t_mine", insert, remove + "; exit 4", false, "run down: exit status 4", false},
		{"listed before", "reno", "exit 0", "", false, "lists reno before the program up runs", false},
		{"this kernel lacks it", "t_mine", "echo no module tcp_t_mine; exit 77", "", true, "no module tcp_t_mine", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &fakeModule{dir: t.TempDir(), names: []string{"t_one", "t_two"}}
			m.serve(t)
			scripts := strings.NewReplacer("INSERT\n", m.ask("insert"), "REMOVE", strings.TrimSpace(m.ask("remove")))
			start := time.Now()
			_, err := methods(bpfobj.New(bpfobj.Options{})).Put(t.Context(), program(tt.variant, scripts.Replace(tt.up), scripts.Replace(tt.down)), at)
			wantError(t, err, tt.skip, tt.want)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if !tt.left {
				wantUnlisted(t, "t_one")
				wantUnlisted(t, "t_two")
			}
		})
	}
}

// moduleEnv is the path of a module in the guest of TestProgramInGuest.
const moduleEnv = "LABTEST_CC_MODULE"

// TestProgramInGuest runs TestGuestProgram in a guest that has a module which is not loaded.
func TestProgramInGuest(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("boots a guest for a module: make soak runs it")
	}
	k := inguest.Kernel(t)
	var file string
	if err := filepath.WalkDir(k.Modules, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), "tcp_illinois.ko") {
			file = path
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if file == "" {
		t.Skip("the guest's kernel has no module tcp_illinois")
	}
	inGuest := "/" + filepath.Base(file)
	out := inguest.Exact(t, vm.Cmd{Modules: []string{"veth"}, Tools: []string{"sh", "insmod", "rmmod"}, Files: map[string]vm.File{inGuest: {Source: file}},
		Env: []string{moduleEnv + "=" + inGuest}}, "^TestGuestProgram$")
	if !strings.Contains(out, "--- PASS: TestGuestProgram ") {
		t.Errorf("not tried in the guest:\n%s", out)
	}
}

// TestGuestProgram: a script inserts a module, a flow uses its algorithm, and the script removes it, twice.
func TestGuestProgram(t *testing.T) {
	module := os.Getenv(moduleEnv)
	if module == "" {
		t.Skip("runs in the guest of TestProgramInGuest")
	}
	path := newCCPath(t)
	for range 2 {
		wantUnlisted(t, "illinois")
		c, err := methods(bpfobj.New(bpfobj.Options{})).Put(t.Context(), program("illinois", "insmod "+module, "rmmod tcp_illinois"), harness.Site{NS: path.sender})
		if err != nil {
			t.Fatal(err)
		}
		f := path.flow(t, c.Algorithm())
		if err := errors.Join(f.send(1<<20), f.finish(), c.InForce(), c.Close()); err != nil {
			t.Error(err)
		}
		wantUnlisted(t, "illinois")
	}
}
