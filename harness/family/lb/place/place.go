// SPDX-License-Identifier: Apache-2.0

// Package place prepares the network namespace of a balancer that the kernel's own code or a program makes: sysctls and local routes.
package place

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// A Sysctl is a setting to make. If it is optional, a kernel may lack it.
type Sysctl struct {
	Path, Value string
	Optional    bool
}

// SetSysctls sets values below a directory of /proc/sys/net in a namespace. Undo, which is there after an error too, makes the old values
// return, the last first.
func SetSysctls(ns, dir string, list []Sysctl) (undo func() error, err error) {
	var old []Sysctl
	undo = func() error {
		return sys.InNS(ns, func() error {
			var errs []error
			for _, s := range slices.Backward(old) {
				_, err := SetSysctl(dir+s.Path, s.Value)
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		})
	}
	err = sys.InNS(ns, func() error { // /proc/sys/net is that of the calling thread's namespace
		for _, s := range list {
			was, err := SetSysctl(dir+s.Path, s.Value)
			if s.Optional && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if was != s.Value {
				old = append(old, Sysctl{Path: s.Path, Value: was})
			}
		}
		return nil
	})
	return undo, err
}

// SetSysctl sets a value below /proc/sys/net in the calling thread's namespace and returns the old one.
func SetSysctl(path, value string) (old string, err error) {
	path = "/proc/sys/net/" + path
	was, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read sysctl: %w", err)
	}
	// Several numbers are written with spaces and read with tabs.
	old = strings.Join(strings.Fields(string(was)), " ")
	if old == value {
		return old, nil
	}
	if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
		return "", fmt.Errorf("set sysctl: %w", err)
	}
	return old, nil
}

// Forward turns on forwarding, without redirects to a shorter path and without checks of source addresses. Undo is that of SetSysctls.
func Forward(at harness.Site) (undo func() error, err error) {
	return SetSysctls(at.NS, "", []Sysctl{
		{"ipv4/ip_forward", "1", false},              // first: it resets others
		{"ipv6/conf/all/forwarding", "1", true},      // missing in a kernel without IPv6
		{"ipv4/conf/all/send_redirects", "0", false}, // in force if all or the link says so
		{"ipv4/conf/" + at.Link + "/send_redirects", "0", false},
		{"ipv4/conf/all/rp_filter", "0", false}, // the larger of the two counts
		{"ipv4/conf/" + at.Link + "/rp_filter", "0", false},
	})
}

// LocalRoute returns the route that makes all addresses of a network local, without an address on a link.
func LocalRoute(to netip.Prefix) *netlink.Route {
	const lo = 1 // in every namespace
	return &netlink.Route{LinkIndex: lo, Dst: Net(to), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
}

// Net is a network as package net has it.
func Net(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
