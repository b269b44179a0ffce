// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"net/netip"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/netlab"
)

// maxFlow is the number of flow numbers: 32,768 source addresses times as many ports.
const maxFlow = 1 << (2 * abi.TrafficHalfBits)

// flowSource returns the source of flow f of a family (4 or 6), 0 <= f < maxFlow. The low 15 bits of f are the offset of
// the address in the lab's range of generated sources; the high 15 bits, XORed with the low ones, are the offset of the
// port from 1024. So even a few flows differ in address and in port, and no two flows have the same source.
func flowSource(family, f int) netip.AddrPort {
	x := f & abi.TrafficHalfMask
	return netip.AddrPortFrom(netlab.Source(family, x), uint16(abi.TrafficPort0+((f>>abi.TrafficHalfBits^f)&abi.TrafficHalfMask)))
}
