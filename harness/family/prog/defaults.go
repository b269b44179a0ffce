// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness/family/prog/packet"
)

// DefaultInputs are what a program gets unless the user names inputs: four packets, or a context of zeros.
func DefaultInputs(k Kind) []Input {
	switch {
	case k.Packet:
		return []Input{
			{Name: "udp4", Packet: true, Data: packet.Parse("ethernet|ipv4|udp|payload zeros=22")}, // 64 bytes
			{Name: "syn4", Packet: true, Data: packet.Parse("ethernet|ipv4 flags=df|tcp flags=syn|payload")},
			{Name: "udp6", Packet: true, Data: packet.Parse("ethernet|ipv6|udp|payload zeros=22")},
			{Name: "arp", Packet: true, Data: packet.Parse("ethernet dst=ff:ff:ff:ff:ff:ff|arp|payload zeros=18")},
		}
	case k.Type == ebpf.Syscall:
		return []Input{{Name: "zeros", Context: true, Data: make([]byte, zeroCall)}}
	}
	return []Input{{Name: "zeros", Context: true, Data: make([]byte, maxArgs)}}
}
