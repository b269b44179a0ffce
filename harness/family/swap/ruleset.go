// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/bpf/abi"
)

// A table is a table of rules in the words of its tool. Packets meet one rule, whose versions differ in their mark; the others stand
// beside it, in a chain that no packet enters.
type table struct {
	name string
	// whole sets the table anew in one transaction, with the version g of the rule.
	whole func(rules int, g uint32) command
	// careless takes the version in force away and then adds version g: two commands.
	careless func(g uint32) []command
	// rule puts version g in the place of the one in force and leaves the other rules alone, in one transaction. May be nil.
	rule func(g uint32) command
	// copier is the object that makes stamps of what versions left in packets, at egress.
	copier string
	// prepare makes the place ready, in the namespace of the calling thread. May be nil.
	prepare func() error
}

// markOf is what version g flips in the mark (bpf/swap/tc_mark.bpf.c).
func markOf(g uint32) uint32 { return g<<abi.SwapMarkBits | 1<<(g%abi.SwapMarkBits) }

// beside is the source address of rule i of the chain that no packet enters.
func beside(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16&0xff, i>>8&0xff, i&0xff) }

// iptablesTable is the table mangle, set by the tools of one backend: prefix iptables-legacy or iptables-nft.
func iptablesTable(prefix string) table {
	version := func(g uint32) string {
		return fmt.Sprintf("-A PREROUTING -p udp --dport %d -j MARK --xor-mark %#x", abi.SwapPort, markOf(g))
	}
	one := func(line string) command {
		return command{tool: prefix, pkg: "iptables", args: append([]string{"-w", "-t", "mangle"}, strings.Fields(line)...)}
	}
	return table{
		name:   prefix,
		copier: markObject,
		whole: func(rules int, g uint32) command {
			var b strings.Builder
			b.WriteString("*mangle\n:PREROUTING ACCEPT [0:0]\n:BESIDE - [0:0]\n" + version(g) + "\n")
			for i := range rules - 1 {
				fmt.Fprintf(&b, "-A BESIDE -s %s/32 -j RETURN\n", beside(i))
			}
			b.WriteString("COMMIT\n")
			return command{tool: prefix + "-restore", pkg: "iptables", input: b.String()}
		},
		careless: func(g uint32) []command { return []command{one("-F PREROUTING"), one(version(g))} },
		rule: func(g uint32) command {
			return one("-R PREROUTING 1" + strings.TrimPrefix(version(g), "-A PREROUTING"))
		},
	}
}

// nftTable is a table of its own, set by nft.
func nftTable() table {
	version := func(g uint32) string {
		return fmt.Sprintf("udp dport %d meta mark set meta mark ^ %#x", abi.SwapPort, markOf(g))
	}
	one := func(text string) command { return command{tool: "nft", pkg: "nftables", args: []string{text}} }
	return table{
		name:   "nft",
		copier: markObject,
		whole: func(rules int, g uint32) command {
			var b strings.Builder
			b.WriteString("table ip kxlab\ndelete table ip kxlab\ntable ip kxlab {\nchain beside {\n")
			for i := range rules - 1 {
				fmt.Fprintf(&b, "ip saddr %s return\n", beside(i))
			}
			fmt.Fprintf(&b, "}\nchain pre {\ntype filter hook prerouting priority mangle;\n%s\n}\n}\n", version(g))
			return command{tool: "nft", pkg: "nftables", args: []string{"-f", "-"}, input: b.String()}
		},
		careless: func(g uint32) []command {
			return []command{one("flush chain ip kxlab pre"), one("add rule ip kxlab pre " + version(g))}
		},
		rule: func(g uint32) command {
			return command{tool: "nft", pkg: "nftables", args: []string{"-f", "-"},
				input: "flush chain ip kxlab pre\nadd rule ip kxlab pre " + version(g) + "\n"}
		},
	}
}
