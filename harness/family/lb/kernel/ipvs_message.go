// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// Constants of IPVS's generic netlink interface (include/uapi/linux/ip_vs.h).
const (
	ipvsVersion = 1

	ipvsNewService = 1
	ipvsSetService = 2
	ipvsDelService = 3
	ipvsGetService = 4
	ipvsNewDest    = 5
	ipvsSetDest    = 6
	ipvsDelDest    = 7
	ipvsGetDest    = 8
	ipvsFlushAll   = 17

	ipvsAttrService = 1
	ipvsAttrDest    = 2

	svcFamily    = 1
	svcProtocol  = 2
	svcAddr      = 3
	svcPort      = 4
	svcScheduler = 6
	svcFlags     = 7
	svcTimeout   = 8
	svcNetmask   = 9

	destAddr   = 1
	destPort   = 2
	destMethod = 3
	destWeight = 4
	destUpper  = 5
	destLower  = 6
	destFamily = 11
)

// An ipvsForward is a forwarding method (the values of IP_VS_CONN_F_*).
type ipvsForward uint32

const (
	ipvsMasquerade ipvsForward = 0
	ipvsTunnel     ipvsForward = 2
	ipvsDirect     ipvsForward = 3
)

// ipvsUnscheduled is the scheduler of a service that has none yet.
const ipvsUnscheduled = "none"

// An ipvsScheduler is a scheduler by the kernel's name, with flags.
type ipvsScheduler struct {
	name  string
	flags uint32
	table bool // builds a table at every change of a backend
	weigh bool // honours weights other than 0
}

// ipvsSchedulers returns the schedulers by the names of the setting. mh is Maglev hashing with fallback: without it, new
// connections in a drained backend's slot are refused. mh ignores the client's port, so all connections of one address
// go to one backend; mh-port does not.
func ipvsSchedulers() map[string]ipvsScheduler {
	const fallback, port = 0x08, 0x10 // IP_VS_SVC_F_SCHED_MH_*
	return map[string]ipvsScheduler{
		"rr":      {name: "rr"},
		"wrr":     {name: "wrr", weigh: true},
		"mh":      {name: "mh", table: true, weigh: true, flags: fallback},
		"mh-port": {name: "mh", table: true, weigh: true, flags: fallback | port},
	}
}

// An ipvsRequest is one command about a service, or one of its backends.
type ipvsRequest struct {
	command   byte
	service   service.Key
	scheduler ipvsScheduler
	backend   service.Backend
	forward   ipvsForward
}

func (r *ipvsRequest) String() string {
	names := map[byte]string{
		ipvsNewService: "add service", ipvsSetService: "set service", ipvsDelService: "remove service", ipvsGetService: "list services",
		ipvsNewDest: "add backend", ipvsSetDest: "set backend", ipvsDelDest: "remove backend", ipvsGetDest: "list backends",
		ipvsFlushAll: "remove all services",
	}
	s := names[r.command]
	if r.service.VIP.IsValid() {
		s += fmt.Sprintf(" %s", r.service)
	}
	if r.backend.Addr.IsValid() {
		s += fmt.Sprintf(": %s", r.backend.Addr)
	}
	return s
}

// attributes appends the attributes that the command needs.
func (r *ipvsRequest) attributes(out []byte) []byte {
	if !r.service.VIP.IsValid() {
		return out
	}
	out = nested(out, ipvsAttrService, func(out []byte) []byte {
		out = appendU16(out, svcFamily, addressFamily(r.service.VIP.Addr()))
		out = appendU16(out, svcProtocol, uint16(r.service.Proto))
		out = appendAttr(out, svcAddr, r.service.VIP.Addr().AsSlice())
		out = appendAttr(out, svcPort, binary.BigEndian.AppendUint16(nil, r.service.VIP.Port()))
		if r.command != ipvsNewService && r.command != ipvsSetService {
			return out
		}
		out = appendAttr(out, svcScheduler, append([]byte(r.scheduler.name), 0))
		flags := binary.NativeEndian.AppendUint32(nil, r.scheduler.flags)
		out = appendAttr(out, svcFlags, binary.NativeEndian.AppendUint32(flags, 0xffffffff))
		out = appendU32(out, svcTimeout, 0)
		mask := uint32(0xffffffff)
		if r.service.VIP.Addr().Is6() {
			mask = 128
		}
		return appendU32(out, svcNetmask, mask)
	})
	if !r.backend.Addr.IsValid() {
		return out
	}
	return nested(out, ipvsAttrDest, func(out []byte) []byte {
		out = appendAttr(out, destAddr, r.backend.Addr.Addr().AsSlice())
		out = appendAttr(out, destPort, binary.BigEndian.AppendUint16(nil, r.backend.Addr.Port()))
		out = appendU16(out, destFamily, addressFamily(r.backend.Addr.Addr()))
		if r.command == ipvsDelDest {
			return out
		}
		out = appendU32(out, destMethod, uint32(r.forward))
		out = appendU32(out, destWeight, uint32(r.backend.Weight))
		out = appendU32(out, destUpper, 0)
		return appendU32(out, destLower, 0)
	})
}

func addressFamily(a netip.Addr) uint16 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func appendAttr(out []byte, kind uint16, value []byte) []byte {
	out = binary.NativeEndian.AppendUint16(out, uint16(4+len(value)))
	out = binary.NativeEndian.AppendUint16(out, kind)
	out = append(out, value...)
	return append(out, make([]byte, align4(len(value))-len(value))...)
}

func appendU16(out []byte, kind, value uint16) []byte {
	return appendAttr(out, kind, binary.NativeEndian.AppendUint16(nil, value))
}

func appendU32(out []byte, kind uint16, value uint32) []byte {
	return appendAttr(out, kind, binary.NativeEndian.AppendUint32(nil, value))
}

func nested(out []byte, kind uint16, inner func([]byte) []byte) []byte {
	at := len(out)
	out = appendU16(out, kind|unix.NLA_F_NESTED, 0)[:at+4]
	out = inner(out)
	binary.NativeEndian.PutUint16(out[at:], uint16(len(out)-at))
	return out
}

// attr returns an attribute of a list, nil if there is none or the list is malformed.
func attr(list []byte, kind uint16) []byte {
	for len(list) >= 4 {
		n := int(binary.NativeEndian.Uint16(list))
		if n < 4 || n > len(list) {
			return nil
		}
		if binary.NativeEndian.Uint16(list[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind {
			return list[4:n]
		}
		list = list[min(align4(n), len(list)):]
	}
	return nil
}

// parseIPVSService parses an entry of a list of services.
func parseIPVSService(entry []byte) (key service.Key, scheduler string, err error) {
	s := attr(entry, ipvsAttrService)
	family, proto, port := attr(s, svcFamily), attr(s, svcProtocol), attr(s, svcPort)
	var a netip.Addr
	if len(family) >= 2 {
		a = parseIPVSAddr(binary.NativeEndian.Uint16(family), attr(s, svcAddr))
	}
	if !a.IsValid() || len(proto) < 2 || len(port) < 2 {
		return key, "", fmt.Errorf("read service of IPVS: %x", entry)
	}
	key = service.Key{VIP: netip.AddrPortFrom(a, binary.BigEndian.Uint16(port)), Proto: harness.Proto(binary.NativeEndian.Uint16(proto))}
	name, _, _ := bytes.Cut(attr(s, svcScheduler), []byte{0})
	return key, string(name), nil
}

// An ipvsDest is a backend in IPVS's lists.
type ipvsDest struct {
	addr    netip.AddrPort
	weight  int
	forward ipvsForward
}

// parseIPVSDest parses an entry of the list of backends of a service of the family.
func parseIPVSDest(entry []byte, family uint16) (ipvsDest, error) {
	d := attr(entry, ipvsAttrDest)
	port, method, weight := attr(d, destPort), attr(d, destMethod), attr(d, destWeight)
	if f := attr(d, destFamily); len(f) >= 2 {
		family = binary.NativeEndian.Uint16(f)
	}
	a := parseIPVSAddr(family, attr(d, destAddr))
	if !a.IsValid() || len(port) < 2 || len(method) < 4 || len(weight) < 4 {
		return ipvsDest{}, fmt.Errorf("read backend of IPVS: %x", entry)
	}
	const methods = 7 // IP_VS_CONN_F_FWD_MASK
	return ipvsDest{
		addr: netip.AddrPortFrom(a, binary.BigEndian.Uint16(port)), weight: int(binary.NativeEndian.Uint32(weight)),
		forward: ipvsForward(binary.NativeEndian.Uint32(method) & methods),
	}, nil
}

// parseIPVSAddr parses an address, for which the kernel always leaves 16 bytes; the zero Addr if it is malformed.
func parseIPVSAddr(family uint16, b []byte) netip.Addr {
	switch {
	case family == unix.AF_INET && len(b) >= 4:
		return netip.AddrFrom4([4]byte(b))
	case family == unix.AF_INET6 && len(b) >= 16:
		return netip.AddrFrom16([16]byte(b))
	}
	return netip.Addr{}
}
