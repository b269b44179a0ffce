// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/load"
	"github.com/kxlab/kxlab/vm"
)

// Environment variables that choose the role of this binary.
const (
	roleEnv      = "KXLAB_TEST_ROLE"   // be a load or a holder of a scheduler instead of a test
	guestEnv     = "KXLAB_TEST_GUEST"  // this is a guest of the lab
	enduranceEnv = "LABTEST_ENDURANCE" // tests may take minutes
	restEnv      = "KXLAB_TEST_REST"   // the gate of the schedulers that make test leaves out
)

func TestMain(m *testing.M) {
	vm.Guest() // does not return in a guest
	if len(os.Args) > 1 && os.Args[1] == load.Command {
		os.Exit(load.Main(os.Args[2:]))
	}
	if role := os.Getenv(roleEnv); role != "" {
		roles[role]()
		os.Exit(0)
	}
	if os.Getenv("KXLAB_ACTION") == "up" { // a script of TestGuestProgram, whose interpreter this is
		roles[filepath.Base(os.Args[1])]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// roles are what processes of the tests do besides testing.
var roles = map[string]func(){
	"spin": func() {
		for {
		}
	},
	"sleep": func() {
		for {
			time.Sleep(3 * time.Millisecond)
		}
	},
	"exit": func() {},
	"fork": func() {
		for {
			if err := roleCommand("exit").Run(); err != nil {
				fmt.Println("fork:", err)
				os.Exit(1)
			}
		}
	},
	"ping": func() { // starts its own partner and reports nanoseconds of a round trip
		rounds, _ := strconv.Atoi(os.Getenv("KXLAB_TEST_ROUNDS"))
		ns, err := pingPong(rounds)
		if err != nil {
			fmt.Println("ping:", err)
			os.Exit(1)
		}
		fmt.Println(ns)
	},
	"pong": func() { // answers every byte of descriptor 3 on descriptor 4
		runtime.LockOSThread()
		var b [1]byte
		for {
			if n, _, _ := rawIO(unix.SYS_READ, 3, &b); n != 1 {
				return
			}
			rawIO(unix.SYS_WRITE, 4, &b)
		}
	},
	"hold": func() { // puts scx_fifo in force, says so, and waits
		s, err := methods(bpfobj.New(bpfobj.Options{}), true).Put(context.Background(), scx("fifo"), harness.Site{})
		if err != nil {
			fmt.Println("hold:", err)
			os.Exit(1)
		}
		fmt.Println("in force")
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		runtime.KeepAlive(s)
	},
}

// scx is the variant of a scheduler of this tree, with knobs as names and values.
func scx(name string, knobs ...harness.Knob) harness.Variant {
	return harness.Variant{Name: "scx-" + name, Attach: "sched_ext", Object: "sched/scx_" + name, Knobs: knobs}
}

// roleCommand is this binary in a role. It dies with this process.
func roleCommand(role string, env ...string) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Env = append(append(os.Environ(), roleEnv+"="+role), env...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// rawIO reads or writes one byte without the runtime's knowledge, which would bring other threads into play.
func rawIO(call, fd uintptr, b *[1]byte) (uintptr, uintptr, syscall.Errno) {
	return syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(b)), 1)
}

// pingPong sends a byte back and forth between two processes and returns the nanoseconds of a round trip.
func pingPong(rounds int) (int64, error) {
	var there, back [2]int
	if err := unix.Pipe2(there[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	if err := unix.Pipe2(back[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	c := roleCommand("pong")
	c.ExtraFiles = []*os.File{os.NewFile(uintptr(there[0]), "in"), os.NewFile(uintptr(back[1]), "out")}
	if err := c.Start(); err != nil {
		return 0, err
	}
	for _, f := range c.ExtraFiles {
		f.Close()
	}
	runtime.LockOSThread()
	var b [1]byte
	round := func() error {
		if n, _, err := rawIO(unix.SYS_WRITE, uintptr(there[1]), &b); n != 1 {
			return err
		}
		if n, _, err := rawIO(unix.SYS_READ, uintptr(back[0]), &b); n != 1 {
			return err
		}
		return nil
	}
	for range 50 {
		if err := round(); err != nil {
			return 0, err
		}
	}
	from := time.Now()
	for range rounds {
		if err := round(); err != nil {
			return 0, err
		}
	}
	ns := time.Since(from).Nanoseconds() / int64(rounds)
	unix.Close(there[1])
	return ns, c.Wait()
}
