// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// offloads are switched off one by one: checksums, scatter, segmentation, merging. The last takes away VLAN offloads
// (and the others that its flags hold), so that a tag stays where XDP programs look for it.
var offloads = []struct {
	name string
	cmd  uint32
}{
	{"gro", unix.ETHTOOL_SGRO},
	{"gso", unix.ETHTOOL_SGSO},
	{"tso", unix.ETHTOOL_STSO},
	{"sg", unix.ETHTOOL_SSG},
	{"tx", unix.ETHTOOL_STXCSUM},
	{"rx", unix.ETHTOOL_SRXCSUM},
	{"flags", unix.ETHTOOL_SFLAGS},
}

// noOffloads switches all offloads of a link off, in the namespace of the calling thread.
func noOffloads(link string) error { return switchOff(link, len(offloads)) }

// noSegmentation switches off what merges packets or cuts them up, the first three offloads: queues that count packets
// then count real ones. Checksums stay unfinished between namespaces, as on any veth.
func noSegmentation(link string) error { return switchOff(link, 3) }

func switchOff(link string, first int) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket for ethtool: %w", err)
	}
	defer unix.Close(s)
	for _, o := range offloads[:first] {
		value := struct{ cmd, data uint32 }{o.cmd, 0}
		var req struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte // the kernel's struct is a union of 24 bytes here
		}
		copy(req.name[:unix.IFNAMSIZ-1], link)
		req.data = unsafe.Pointer(&value)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		if errno != 0 && !errors.Is(errno, unix.EOPNOTSUPP) {
			return fmt.Errorf("switch off %s of %s: %w", o.name, link, errno)
		}
	}
	return nil
}

func unsupportedf(format string, args ...any) error { return harness.Skip(format, args...) }
