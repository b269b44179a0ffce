// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// LinkFD returns a link's descriptor.
func LinkFD(l link.Link) (int, error) {
	f, ok := l.(interface{ FD() int })
	if !ok {
		return 0, errors.New("the library hides the link's descriptor")
	}
	return f.FD(), nil
}

// UpdateStructOps calls bpf(BPF_LINK_UPDATE), which the library does not support for structs of operations: next replaces old, or the call
// fails. If the kernel does not replace operations of this kind in place, the error wraps harness.ErrNotSupported.
func UpdateStructOps(l link.Link, next, old *ebpf.Map) error {
	fd, err := LinkFD(l)
	if err != nil {
		return err
	}
	attr := struct{ link, next, flags, old uint32 }{uint32(fd), uint32(next.FD()), unix.BPF_F_REPLACE, uint32(old.FD())}
	_, _, e := unix.Syscall(unix.SYS_BPF, unix.BPF_LINK_UPDATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(l)
	runtime.KeepAlive(next)
	runtime.KeepAlive(old)
	switch e {
	case 0:
		return nil
	case unix.EINVAL, unix.EOPNOTSUPP:
		return harness.Skip("update link: this kernel does not replace operations in place: %v", e)
	}
	return fmt.Errorf("update link: %w", e)
}
