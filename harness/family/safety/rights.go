// SPDX-License-Identifier: Apache-2.0

package safety

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bpfRights are the capabilities of a loader without all rights: CAP_BPF for programs and maps, CAP_NET_ADMIN for the types of program
// that process packets. CAP_PERFMON, with which the verifier lets kernel pointers out, and CAP_SYS_ADMIN are not among them.
var bpfRights = []uint{unix.CAP_BPF, unix.CAP_NET_ADMIN}

// withRights runs f on a thread that has these capabilities alone, and ends the thread.
func withRights(rights []uint, f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := setRights(rights)
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

// setRights sets the capabilities of the calling thread.
func setRights(rights []uint) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	for _, r := range rights {
		sets[r/32].Effective |= 1 << (r % 32)
		sets[r/32].Permitted |= 1 << (r % 32)
	}
	// unix.Capset takes a pointer to the first of two.
	if _, _, errno := unix.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets[0])), 0); errno != 0 {
		return fmt.Errorf("set capabilities: %w", errno)
	}
	return nil
}
