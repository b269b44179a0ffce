// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
)

// In a guest the test binary is the first process, and what that runs: "guest:NAME" is the case NAME below.
func TestMain(m *testing.M) {
	Guest()
	if len(os.Args) > 1 {
		if name, ok := strings.CutPrefix(os.Args[1], "guest:"); ok {
			if err := inGuest(name); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
		if name, ok := strings.CutPrefix(os.Args[1], "parent:"); ok {
			parent(name)
		}
	}
	os.Exit(m.Run())
}

// inGuest does one thing in a guest.
func inGuest(name string) error {
	switch name {
	case "hello":
		fmt.Println("out", os.Getenv("WORD"))
		fmt.Fprintln(os.Stderr, "err")
		raw, err := os.ReadFile("/etc/word")
		fmt.Printf("%s %v\n", raw, err)
		os.Exit(3)
	case "sleep":
		time.Sleep(time.Hour)
	case "fetch":
		_, err := fetch(context.Background(), spec{suite: "forky"})
		return err
	case "warn":
		return os.WriteFile("/dev/kmsg", []byte("<4>WARNING: CPU: 0 PID: 9 at lib/made_up.c:1 nowhere+0x0/0x10\n"), 0)
	case "digits":
		return digits()
	case "counted":
		return counted()
	case "allocate":
		return allocate(2 * time.Second)
	}
	return fmt.Errorf("no case %q", name)
}

// digits prints what differs from boot to boot unless everything is pinned.
func digits() error {
	// Code that reads accessed bits sees what QEMU does by the host's clock: icount.kernelArgs turns that off, if the names are right.
	for file, bad := range map[string]string{
		"/sys/module/damon_stat/parameters/enabled": "Y", "/sys/kernel/mm/transparent_hugepage/enabled": "[always]",
	} {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if strings.Contains(string(raw), bad) {
			return fmt.Errorf("%s says %q", file, raw)
		}
	}
	if _, err := unix.Getrandom(make([]byte, 8), unix.GRND_NONBLOCK); err != nil {
		return fmt.Errorf("whoever first asks for random numbers would wait for them: %w", err)
	}
	for _, file := range []string{"/proc/sys/kernel/random/uuid", "/proc/uptime"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Printf("%s", raw)
	}
	began := time.Now()
	for range 100_000 {
		_ = syscall.Getppid()
	}
	fmt.Println("100,000 system calls", time.Since(began))
	done := make(chan time.Duration)
	for range runtime.NumCPU() {
		go func() {
			began := time.Now()
			spin(1_000_000)
			done <- time.Since(began)
		}()
	}
	for range runtime.NumCPU() {
		fmt.Println("loop", <-done)
	}
	raw, err := os.ReadFile("/proc/stat")
	fmt.Printf("%s", raw)
	return err
}

// allocate has the kernel take and give back small objects.
func allocate(d time.Duration) error {
	for until := time.Now().Add(d); time.Now().Before(until); {
		for range 100 {
			f, err := os.Open("/proc/self/status")
			if err != nil {
				return err
			}
			f.Close()
		}
	}
	return nil
}

// guestCmd is a guest that does one of the cases.
func guestCmd(t *testing.T, name string) (*Cmd, *bytes.Buffer) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a guest")
	}
	k, err := Open(t.Context(), "")
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	out := &bytes.Buffer{}
	return &Cmd{Kernel: k, Args: []string{"kxlab", "guest:" + name}, Memory: 512 << 20, Stdout: out, Stderr: out}, out
}

// exactCmd is guestCmd for an exact guest, which resumes a snapshot and so starts in a third of the time.
func exactCmd(t *testing.T, name string) (*Cmd, *bytes.Buffer) {
	t.Helper()
	c, out := guestCmd(t, name)
	c.Exact = &Exact{Seed: 7}
	return c, out
}

// run runs a guest in bounded time.
func run(t *testing.T, c *Cmd) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // on a machine that may run twenty guests
	defer cancel()
	err := c.Run(ctx)
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	return err
}

func TestGuestRuns(t *testing.T) {
	c, out := guestCmd(t, "hello")
	c.Env, c.Files = []string{"WORD=word"}, map[string]File{"/etc/word": {Content: []byte("content")}}
	c.Modules, c.Tools = []string{"ip_vs_mh"}, []string{"ip"}
	err := run(t, c)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 3 || exit.Cause != CauseProgram {
		t.Errorf("the program ends with 3, and the guest with %v", err)
	}
	for _, want := range []string{"out word\n", "err\n", "content <nil>\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
	if r := c.ready(); r == nil || r.Release != c.Kernel.Release {
		t.Errorf("ready: %+v, kernel %s", r, c.Kernel.Release)
	}
}

// The kernel before the one that the lab takes unasked runs, too. On a processor with cmpxchg16b it crashed within a second of this.
func TestOlderKernelRuns(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("boots another kernel: make soak runs it")
	}
	c, _ := guestCmd(t, "allocate")
	k, err := Open(t.Context(), "6.12")
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Kernel = k
	if err := run(t, c); err != nil {
		t.Error(err)
	}
}

// A warning of the kernel's is noticed, though the program ends well. TestDeaths of the command has the other ways to end badly.
func TestGuestWarns(t *testing.T) {
	c, _ := exactCmd(t, "warn")
	err := run(t, c)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Cause != CauseSplat || exit.Code != 0 || !strings.Contains(exit.Console, "lib/made_up.c:1") {
		t.Errorf("%+v, want %q, code 0 and the warning", err, CauseSplat)
	}
}

func TestGuestCancelled(t *testing.T) {
	c, _ := exactCmd(t, "sleep")
	ctx, cancel := context.WithCancel(t.Context())
	var began time.Time
	c.OnReady = func(Ready) { began = time.Now(); cancel() }
	if err := c.Run(ctx); !errors.Is(err, context.Canceled) || time.Since(began) > 30*time.Second {
		t.Fatalf("%v after it was ready: %v", time.Since(began), err)
	}
	if c.run.process.ProcessState == nil {
		t.Error("QEMU is left behind")
	}
}

// parent starts a guest and waits to be killed.
func parent(kernel string) {
	c := &Cmd{Args: []string{"kxlab", "guest:sleep"}, Memory: 512 << 20, Exact: &Exact{Seed: 7}}
	c.OnReady = func(Ready) { fmt.Println(c.run.process.Process.Pid) }
	var err error
	if c.Kernel, err = Open(context.Background(), kernel); err == nil {
		err = c.Run(context.Background())
	}
	fmt.Println(err)
	os.Exit(1)
}

// A guest ends with the process that started it, however that ends.
func TestParentKilled(t *testing.T) {
	c, _ := guestCmd(t, "sleep")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self, "parent:"+c.Kernel.Image)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(stdout, &pid); err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	for range 100 {
		if raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || len(raw) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("QEMU (process %d) is left behind", pid)
}

// ready returns the guest's Ready; nil if the guest never was. It waits until the guest has ended.
func (c *Cmd) ready() *Ready {
	if c.run == nil {
		return nil
	}
	<-c.run.done
	return c.run.ready
}
