// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness/sys"
)

// stackCounters returns the counters of conntrack and the IP stack in the namespace, and the gauge conntrack_entries.
func (k *kernel) stackCounters() (map[string]uint64, error) {
	counts := map[string]uint64{}
	err := sys.InNS(k.at.NS, func() error {
		// Not /proc/net, which is the namespace of the process's first thread.
		for _, f := range [...]struct {
			file string
			read func(text string, counts map[string]uint64) error
		}{
			{"stat/nf_conntrack", readConntrackStat},
			{"snmp", readSNMP},
			{"netstat", readSNMP},
			{"snmp6", readSNMP6},
		} {
			text, err := os.ReadFile("/proc/thread-self/net/" + f.file)
			if os.IsNotExist(err) {
				continue // no conntrack or no IPv6 in this kernel
			}
			if err != nil {
				return fmt.Errorf("read counters: %w", err)
			}
			if err := f.read(string(text), counts); err != nil {
				return fmt.Errorf("read counters of %s: %w", f.file, err)
			}
		}
		return nil
	})
	return counts, err
}

// stackDrops are the counters of the IP stack for lost packets.
var stackDrops = map[string]string{
	"Ip:InHdrErrors": "drop_ip_header", "Ip:InAddrErrors": "drop_ip_address", "Ip:InDiscards": "drop_ip_in",
	"Ip:OutDiscards": "drop_ip_out", "Ip:OutNoRoutes": "drop_ip_out_noroute", "IpExt:InNoRoutes": "drop_ip_in_noroute",
	"IpExt:InTruncatedPkts": "drop_ip_truncated",
	"Ip6InHdrErrors":        "drop_ip6_header", "Ip6InAddrErrors": "drop_ip6_address", "Ip6InDiscards": "drop_ip6_in",
	"Ip6OutDiscards": "drop_ip6_out", "Ip6OutNoRoutes": "drop_ip6_out_noroute", "Ip6InNoRoutes": "drop_ip6_in_noroute",
	"Ip6InTruncatedPkts": "drop_ip6_truncated", "Ip6InTooBigErrors": "drop_ip6_too_big",
}

// conntrackStats are the columns of /proc/net/stat/nf_conntrack that are reported. Only lost packets are drops: an early
// drop evicts a connection in favour of a new one.
var conntrackStats = map[string]string{
	"drop": "drop_conntrack_full", "insert_failed": "drop_conntrack_insert", "invalid": "conntrack_invalid",
	"early_drop": "conntrack_evicted", "clashres": "conntrack_clash", "chainlength": "conntrack_chain_too_long",
}

// readConntrackStat sums the lines of the CPUs. Columns are hexadecimal; entries is the same in every line.
func readConntrackStat(text string, counts map[string]uint64) error {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	names := strings.Fields(lines[0])
	for _, line := range lines[1:] {
		for i, field := range strings.Fields(line) {
			v, err := strconv.ParseUint(field, 16, 64)
			if err != nil {
				return err
			}
			if i >= len(names) {
				break
			}
			if key, ok := conntrackStats[names[i]]; ok {
				counts[key] += v
			}
			if names[i] == "entries" {
				counts["conntrack_entries"] = v
			}
		}
	}
	return nil
}

// readSNMP reads pairs of lines "Group: names…" and "Group: values…".
func readSNMP(text string, counts map[string]uint64) error {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for j := 1; j < min(len(names), len(values)); j++ {
			if err := addDrop(counts, names[0]+names[j], values[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

// readSNMP6 reads lines "Name value".
func readSNMP6(text string, counts map[string]uint64) error {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 {
			if err := addDrop(counts, f[0], f[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// addDrop adds a counter of the IP stack, if it is one of stackDrops.
func addDrop(counts map[string]uint64, name, value string) error {
	key, ok := stackDrops[name]
	if !ok {
		return nil
	}
	v, err := strconv.ParseUint(value, 10, 64)
	counts[key] += v
	return err
}
