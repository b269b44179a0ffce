// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// ipvsSample is the number of services whose backends InForce checks. It checks the existence of all services.
const ipvsSample = 8

// InForce returns an error unless the kernel has exactly the services, with their scheduler, and some of them, among
// these the last, have their backends and a local address.
func (b *ipvs) InForce() error {
	if b.handle == nil {
		return errors.New("check IPVS: it is closed")
	}
	if b.dirty {
		return errors.New("check IPVS: a change failed, what is in force is not known")
	}
	seen := 0
	err := b.socket.dump(ipvsRequest{command: ipvsGetService}, func(entry []byte) error {
		key, scheduler, err := parseIPVSService(entry)
		if err != nil {
			return err
		}
		if _, ours := b.index[key]; !ours {
			return fmt.Errorf("another process added service %s", key)
		}
		if scheduler != b.scheduler.name {
			return fmt.Errorf("service %s has scheduler %s, not %s", key, scheduler, b.scheduler.name)
		}
		seen++
		return nil
	})
	if err != nil {
		return fmt.Errorf("check IPVS: %w", err)
	}
	if seen != len(b.services) {
		return fmt.Errorf("check IPVS: %d of %d services are there", seen, len(b.services))
	}
	for i := len(b.services) - 1; i >= 0; i -= max(1, len(b.services)/ipvsSample) {
		if err := b.checkService(&b.services[i]); err != nil {
			return fmt.Errorf("check IPVS: %w", err)
		}
	}
	return b.forwards()
}

// checkService checks a service's backends and that its address is local.
func (b *ipvs) checkService(s *service.Service) error {
	key := s.Key()
	taken, err := b.handle.RouteGet(s.VIP.Addr().AsSlice())
	if err != nil || len(taken) != 1 || taken[0].Type != unix.RTN_LOCAL {
		return errors.Join(fmt.Errorf("service %s: its address is no longer local", key), err)
	}
	seen := 0
	err = b.socket.dump(ipvsRequest{command: ipvsGetDest, service: key}, func(entry []byte) error {
		d, err := parseIPVSDest(entry, addressFamily(s.VIP.Addr()))
		if err != nil {
			return err
		}
		i := backendAt(s.Backends, d.addr)
		if i < 0 || s.Backends[i].Weight != d.weight || d.forward != b.forward {
			return fmt.Errorf("service %s: another process changed backend %s", key, d.addr)
		}
		seen++
		return nil
	})
	if err == nil && seen != len(s.Backends) {
		err = fmt.Errorf("service %s: %d of %d backends are there", key, seen, len(s.Backends))
	}
	return err
}

// ipvsConnBytes is the memory of a tracked connection with its hash table slot, bytes, rounded up.
const ipvsConnBytes = 512

// MaxFlows returns the number of connections in a quarter of the machine's memory: IPVS itself has no limit.
func (b *ipvs) MaxFlows() int {
	return int(max(bpfobj.MachineMemory(), 256<<20) / 4 / ipvsConnBytes)
}

// Counters returns those of IPVS and of the IP stack in the namespace.
func (b *ipvs) Counters() (map[string]uint64, error) {
	counts, err := b.stackCounters()
	if err != nil {
		return nil, err
	}
	err = sys.InNS(b.at.NS, func() error {
		text, err := os.ReadFile("/proc/thread-self/net/ip_vs_stats_percpu")
		if err != nil {
			return fmt.Errorf("read counters of IPVS: %w", err)
		}
		return readIPVSStats(string(text), counts)
	})
	return counts, err
}

// readIPVSStats sums the lines of the CPUs: number, connections, packets in, packets out, in hexadecimal. The file without
// "percpu" in its name lags by up to two seconds, and is not updated without estimation.
func readIPVSStats(text string, counts map[string]uint64) error {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 6 {
			continue
		}
		if _, err := strconv.ParseUint(fields[0], 16, 32); err != nil {
			continue // headings, and the sum of all CPUs
		}
		for i, name := range [...]string{"ipvs_connections", "ipvs_packets_in", "ipvs_packets_out"} {
			v, err := strconv.ParseUint(fields[1+i], 16, 64)
			if err != nil {
				return fmt.Errorf("read counters of IPVS: %w", err)
			}
			counts[name] += v
		}
	}
	return nil
}
