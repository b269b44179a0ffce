// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"encoding/binary"
)

// repair gives every packet of a protocol the right checksum.
func repair(proto byte) func(*model, *packet, []byte) []byte {
	return func(m *model, in *packet, f []byte) []byte {
		if in.proto != proto || isUnsummed(in) || in.transportChecksum() == nil {
			return f
		}
		p, _ := parse(f)
		if inner := p.inner(); inner != nil {
			p = *inner
		}
		setTransportSum(p.from.Addr(), p.to.Addr(), p.proto, p.segment)
		return f
	}
}

// whole makes of a fragment with the given offset what is none.
func whole(f []byte, offset uint16) []byte {
	p, err := parse(f)
	switch {
	case err != nil || p.ip == nil || !isFragment(p.ip):
	case p.ip[0]>>4 == 4 && binary.BigEndian.Uint16(p.ip[6:])&0x1fff == offset:
		p.ip[6], p.ip[7] = 0, 0
		setHeaderSum(p.ip)
	case p.ip[0]>>4 == 6 && binary.BigEndian.Uint16(p.ip[42:])>>3 == offset:
		p.ip[6] = p.ip[40]
		binary.BigEndian.PutUint16(p.ip[4:], uint16(len(p.ip)-48))
		return append(f[:54], f[62:]...)
	}
	return f
}

// padded makes up for what was cut off behind the ports.
func padded(f []byte, proto byte) []byte {
	if len(f) < 14+20 || binary.BigEndian.Uint16(f[12:]) == etherARP {
		return f
	}
	header, total, next := 20, int(binary.BigEndian.Uint16(f[16:])), f[23]
	if f[14]>>4 == 6 {
		header, total, next = 40, 40+int(binary.BigEndian.Uint16(f[18:])), f[20]
	}
	if next != proto || len(f) < 14+header+4 || len(f) >= 14+total {
		return f
	}
	return append(f, bytes.Repeat([]byte{0}, 14+total-len(f))...)
}

// port81 leads what goes to port 81 to the service's.
func port81(m *model, f []byte) []byte {
	if p, err := parse(f); err == nil && p.proto == protoTCP && p.to.Port() == 81 {
		binary.BigEndian.PutUint16(p.segment[2:], 80)
	}
	return f
}

// hop changes the time to live of the packet in a frame.
func hop(f []byte, by int) []byte {
	if f[14]>>4 == 6 {
		f[14+7] += byte(by)
		return f
	}
	f[14+8] += byte(by)
	setHeaderSum(f[14:])
	return f
}
