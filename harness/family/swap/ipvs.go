// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// ipvsTable is the table of IPVS's services, set by ipvsadm. Version g of the service of numbered packets sends to a port of its own, from
// which a filter makes the stamp (bpf/swap/tc_port.bpf.c). The service schedules each datagram anew: otherwise a flow would stay with the
// version that saw it first. The others stand beside it as services without packets.
func ipvsTable() table {
	return table{
		name:   "IPVS",
		copier: "swap/tc_port",
		whole: func(rules int, g uint32) command {
			lines := []string{fmt.Sprintf("-A -u %s -s rr -o", ipvsService()), addReal(g)}
			for i := range rules - 1 {
				lines = append(lines, fmt.Sprintf("-A -u %s:%d -s rr", beside(i), abi.SwapPort))
			}
			return ipvsRestore(lines...)
		},
		prepare: localVIP,
	}
}

// ipvsService is the service of numbered packets.
func ipvsService() string { return fmt.Sprintf("%s:%d", netlab.VIP(4, 0), abi.SwapPort) }

// ipvsReal is where version g of the service sends packets.
func ipvsReal(g uint32) string {
	real, _ := netlab.Addresses(netlab.RoleReal, 0)
	return fmt.Sprintf("-u %s -r %s:%d", ipvsService(), real.Addr(), abi.SwapPort+g)
}

func addReal(g uint32) string { return "-a " + ipvsReal(g) + " -m -w 1" }

// ipvsRestore is one call of ipvsadm that makes some changes, one after another.
func ipvsRestore(lines ...string) command {
	return command{tool: "ipvsadm", pkg: "ipvsadm", args: []string{"--restore"}, input: strings.Join(lines, "\n") + "\n"}
}

// ipvsEdits are the changes that make a version take the place of another: add, drain, delete.
func ipvsEdits(from, to uint32) []string {
	if from == to {
		return nil
	}
	return []string{addReal(to), "-e " + ipvsReal(from) + " -m -w 0", "-d " + ipvsReal(from)}
}

// ipvsEdit makes the changes by a call of ipvsadm for each.
func ipvsEdit(from, to uint32) []command {
	return harness.Map(ipvsEdits(from, to), func(line string) command {
		return command{tool: "ipvsadm", pkg: "ipvsadm", args: strings.Fields(line)}
	})
}

// ipvsOnce makes the changes by one call of ipvsadm.
func ipvsOnce(from, to uint32) []command { return []command{ipvsRestore(ipvsEdits(from, to)...)} }

// ipvsClear clears the table and restores it: two calls.
func ipvsClear(rules int, g uint32) []command {
	return []command{{tool: "ipvsadm", pkg: "ipvsadm", args: []string{"--clear"}}, ipvsTable().whole(rules, g)}
}

// localVIP makes the address of numbered packets local in the namespace of the calling thread: IPVS stands where local packets come in.
func localVIP() error {
	const lo = 1 // in every namespace
	route := &netlink.Route{LinkIndex: lo, Dst: vipNet(), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST}
	return harness.Wrap(netlink.RouteReplace(route), "make the service's address local")
}
