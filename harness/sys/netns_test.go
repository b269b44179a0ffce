// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The process's first thread never ends, so no test may run on it: a lock taken in init keeps it for the main goroutine.
func init() { runtime.LockOSThread() }

func isThread(tid int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
	return err == nil
}

// TestNoWayBack: a thread that cannot leave a namespace ends, and the caller gets both errors.
func TestNoWayBack(t *testing.T) {
	lost, wrong := errors.New("no way back"), errors.New("wrong")
	calls, tid := 0, 0
	set := func(int) error {
		if calls++; calls == 2 {
			return lost
		}
		return nil
	}
	got := make(chan error)
	go func() {
		got <- inNS(set, 0, func() error { tid = unix.Gettid(); return wrong })
	}()
	if err := <-got; !errors.Is(err, lost) || !errors.Is(err, wrong) {
		t.Errorf("error %v, want both", err)
	}
	if tid == os.Getpid() {
		t.Fatal("the function ran on the process's first thread, which never ends")
	}
	for deadline := time.Now().Add(10 * time.Second); isThread(tid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the thread lives on in the wrong namespace")
		}
	}
}

// TestInNS: f runs in the other namespace, on a thread of its own with InNS and on the caller's with InNSOf.
func TestInNS(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	const own = "/proc/thread-self/ns/net"
	var fd int
	var there string
	OnThread(func() {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		there, _ = os.Readlink(own)
		fd, _ = unix.Open(own, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
	defer unix.Close(fd)
	home, err := os.Readlink(own)
	if err != nil || home == there {
		t.Fatalf("namespace %s, error %v", home, err)
	}
	check := func() error {
		if is, _ := os.Readlink(own); is != there {
			t.Errorf("in namespace %s, want %s", is, there)
		}
		return nil
	}
	if err := InNS(fmt.Sprintf("/proc/self/fd/%d", fd), check); err != nil {
		t.Error(err)
	}
	OnThread(func() {
		tid := unix.Gettid()
		if err := InNSOf(fd, func() error {
			if now := unix.Gettid(); now != tid {
				t.Errorf("thread %d, want the caller's %d", now, tid)
			}
			return check()
		}); err != nil {
			t.Error(err)
		}
		if is, _ := os.Readlink(own); is != home {
			t.Errorf("back in namespace %s, want %s", is, home)
		}
	})
	if err := InNS("/proc/self/ns/net/nothing", check); err == nil || !strings.Contains(err.Error(), "/proc/self/ns/net/nothing") {
		t.Errorf("error %v, want one that names the path", err)
	}
}
