// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// closeLimit is the time limit for the removal of a variant's rules.
const closeLimit = 30 * time.Second

// tableInfo is ipt_getinfo of linux/netfilter_ipv4/ip_tables.h, which ip6_tables.h repeats.
type tableInfo struct {
	name       [32]byte
	validHooks uint32
	hookEntry  [5]uint32
	underflow  [5]uint32
	entries    uint32
	size       uint32 // bytes
}

// soGetInfo is IPT_SO_GET_INFO and IP6T_SO_GET_INFO.
const soGetInfo = 64

// legacyTableInfo returns the kernel's description of a legacy table in the calling thread's namespace, without rules.
func legacyTableInfo(f ipFamily, table string) ([]byte, error) {
	domain, level := unix.AF_INET, unix.IPPROTO_IP
	if f == ipv6 {
		domain, level = unix.AF_INET6, unix.IPPROTO_IPV6
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open raw socket: %w", err)
	}
	defer unix.Close(fd)
	var info tableInfo
	copy(info.name[:], table)
	size := uint32(unsafe.Sizeof(info))
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), soGetInfo,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0); e != 0 {
		return nil, fmt.Errorf("get info of table %s: %w", table, e)
	}
	return fmt.Appendf(nil, "%d rules, %d bytes, hooks %x at %v, ends %v", info.entries, info.size, info.validHooks,
		info.hookEntry, info.underflow), nil
}

const (
	nftMsgGetGen = 16 // NFT_MSG_GETGEN
	nftaGenID    = 1  // NFTA_GEN_ID
)

// nftGeneration returns the generation of the nftables rules in the calling thread's namespace.
func nftGeneration() (uint32, error) {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|nftMsgGetGen, 0)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: nl.NFNETLINK_V0})
	msgs, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return 0, fmt.Errorf("get generation of nftables: %w", err)
	}
	for _, m := range msgs {
		if len(m) < nl.SizeofNfgenmsg {
			continue
		}
		attrs, err := nl.ParseRouteAttr(m[nl.SizeofNfgenmsg:])
		if err != nil {
			return 0, fmt.Errorf("get generation of nftables: %w", err)
		}
		for _, a := range attrs {
			if a.Attr.Type == nftaGenID && len(a.Value) >= 4 {
				return binary.BigEndian.Uint32(a.Value), nil
			}
		}
	}
	return 0, errors.New("get generation of nftables: the kernel gave none")
}

// at4 returns the address and port of constants.
func at4(addr string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
}
