// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/sys"
)

// offloads are switched off one by one: merging, segmentation, scatter, checksums. The last switches off VLAN offloads (and
// the others that its flags hold), so that a tag stays in the packet, where XDP programs look for it.
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

// noOffloads switches off all offloads of a link, in the namespace of the calling thread.
func noOffloads(link string) error { return switchOff(link, len(offloads)) }

// noSegmentation switches off merging and segmentation, the first three offloads, so that queues count packets of the wire's
// size. Checksums stay unfinished between namespaces, as on any veth.
func noSegmentation(link string) error { return switchOff(link, 3) }

func switchOff(link string, first int) error {
	return sys.Ethtool(link, func(request func(unsafe.Pointer) error) error {
		for _, o := range offloads[:first] {
			value := struct{ cmd, data uint32 }{o.cmd, 0}
			if err := request(unsafe.Pointer(&value)); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
				return fmt.Errorf("switch off %s of %s: %w", o.name, link, err)
			}
		}
		return nil
	})
}
