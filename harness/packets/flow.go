// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"encoding/binary"
	"net/netip"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/netlab"
)

// maxFlow is how many flow numbers there are: 32,768 source addresses times as many ports.
const maxFlow = 1 << (2 * abi.TrafficHalfBits)

// flowSource returns the source of flow f of a family (4 or 6), 0 <= f < maxFlow. The low 15 bits of f are the offset of
// the address in the lab's range of generated sources; the high 15 bits, XORed with the low ones, are the offset of the
// port from 1024. So few flows differ in address and in port, and every flow has another source.
func flowSource(family, f int) netip.AddrPort {
	x := f & abi.TrafficHalfMask
	return netip.AddrPortFrom(netlab.Source(family, x), uint16(abi.TrafficPort0+((f>>abi.TrafficHalfBits^f)&abi.TrafficHalfMask)))
}

// flowNumber returns the flow whose source is given. ok is false if no flow has it.
func flowNumber(source netip.AddrPort) (f int, ok bool) {
	family := 4
	if source.Addr().Is6() {
		family = 6
	}
	var x int
	if family == 4 {
		a := source.Addr().As4()
		x = int(binary.BigEndian.Uint16(a[2:])) & abi.TrafficHalfMask
	} else {
		a := source.Addr().As16()
		x = int(binary.BigEndian.Uint16(a[14:])) & abi.TrafficHalfMask
	}
	p := int(source.Port()) - abi.TrafficPort0
	if netlab.Source(family, x) != source.Addr() || p < 0 || p > abi.TrafficHalfMask {
		return 0, false
	}
	return (p^x)<<abi.TrafficHalfBits | x, true
}
