// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/sys"
)

// From <linux/ethtool.h>: the set of strings that names statistics, and the length of a name in bytes.
const (
	setStats = 1
	nameLen  = 32
)

// counters are named counts that only grow.
type counters map[string]uint64

// sum adds up the counters whose names have an ending: those of all queues.
func (c counters) sum(ending string) (n uint64) {
	for name, v := range c {
		if strings.HasSuffix(name, ending) {
			n += v
		}
	}
	return n
}

// portStats reads the driver's statistics of a port.
func portStats(p *netlab.Port) (c counters, err error) {
	err = p.Do(func() error {
		c, err = linkStats(p.Name)
		return err
	})
	return c, err
}

// linkStats reads the driver's statistics of a link (ethtool -S) and the kernel's own count of frames that it could not
// send, in the calling thread's namespace.
func linkStats(name string) (counters, error) {
	c := counters{}
	err := sys.Ethtool(name, c.readDriver)
	var raw []byte
	if err == nil {
		raw, err = os.ReadFile("/proc/thread-self/net/dev")
	}
	if err != nil {
		return nil, fmt.Errorf("read statistics of %s: %w", name, err)
	}
	for line := range strings.Lines(string(raw)) {
		link, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		if f := strings.Fields(rest); ok && link == name && len(f) == 16 {
			c["tx_dropped"], _ = strconv.ParseUint(f[11], 10, 64)
		}
	}
	return c, nil
}

// readDriver reads the statistics of ethtool -S. A driver may have none.
func (c counters) readDriver(request func(unsafe.Pointer) error) error {
	info := struct {
		cmd, reserved uint32
		mask          uint64
		n             [2]uint32
	}{cmd: unix.ETHTOOL_GSSET_INFO, mask: 1 << setStats}
	err := request(unsafe.Pointer(&info))
	n := int(info.n[0])
	if errors.Is(err, unix.EOPNOTSUPP) || err == nil && (info.mask == 0 || n == 0) {
		return nil
	}
	// Both replies: a header of words, then n names of 32 bytes or n values of 8.
	names, values := make([]uint64, 2+n*nameLen/8), make([]uint64, 1+n)
	*(*[3]uint32)(unsafe.Pointer(&names[0])) = [3]uint32{unix.ETHTOOL_GSTRINGS, setStats, uint32(n)}
	*(*[2]uint32)(unsafe.Pointer(&values[0])) = [2]uint32{unix.ETHTOOL_GSTATS, uint32(n)}
	if err == nil {
		err = request(unsafe.Pointer(&names[0]))
	}
	if err == nil {
		err = request(unsafe.Pointer(&values[0]))
	}
	text := unsafe.Slice((*byte)(unsafe.Pointer(&names[0])), len(names)*8)[12:]
	for i := range n {
		name, _, _ := bytes.Cut(text[i*nameLen:][:nameLen], []byte{0})
		c[string(name)] = values[1+i]
	}
	return err
}

// stackStats reads the counts of packets that the network stack of the calling thread's namespace dropped.
func stackStats() (counters, error) {
	c := counters{}
	for _, f := range []struct {
		path  string
		parse func([]byte) counters
		must  bool
	}{
		{"/proc/thread-self/net/snmp", parsePairs, true},
		{"/proc/thread-self/net/netstat", parsePairs, true},
		{"/proc/thread-self/net/snmp6", parseLines, false},
		{"/proc/thread-self/net/stat/nf_conntrack", parseConntrack, false},
	} {
		raw, err := os.ReadFile(f.path)
		if errors.Is(err, os.ErrNotExist) && !f.must {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read stack's statistics: %w", err)
		}
		maps.Copy(c, f.parse(raw))
	}
	return c, nil
}

// qdiscStats reads how many packets the queueing disciplines of a link dropped.
func qdiscStats(ifindex int) (n uint64, err error) {
	qdiscs, err := netlink.QdiscList(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: ifindex}})
	if err != nil {
		return 0, fmt.Errorf("read queues of link %d: %w", ifindex, err)
	}
	for _, q := range qdiscs {
		if s := q.Attrs().Statistics; s != nil && s.Queue != nil {
			n += uint64(s.Queue.Drops)
		}
	}
	return n, nil
}

// parsePairs reads the form of /proc/net/snmp: a line of names, then a line of values, both begun by a prefix.
func parsePairs(raw []byte) counters {
	c := counters{}
	var names []string
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) == 0 || len(names) != len(f) || names[0] != f[0] {
			names = f
			continue
		}
		for i, v := range f[1:] {
			c.parse(strings.TrimSuffix(f[0], ":")+names[1+i], v, 10)
		}
		names = nil
	}
	return c
}

// parse adds a number to a counter. Text that is not a number is skipped.
func (c counters) parse(name, value string, base int) {
	if n, err := strconv.ParseUint(value, base, 64); err == nil {
		c[name] += n
	}
}

// parseLines reads the form of /proc/net/snmp6: a name and a value on each line.
func parseLines(raw []byte) counters {
	c := counters{}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 2 {
			c.parse(f[0], f[1], 10)
		}
	}
	return c
}

// parseConntrack reads the form of /proc/net/stat/nf_conntrack: a line of names, then a line of hexadecimal values a CPU.
func parseConntrack(raw []byte) counters {
	c := counters{}
	head, values, _ := strings.Cut(string(raw), "\n")
	names := strings.Fields(head)
	for line := range strings.Lines(values) {
		f := strings.Fields(line)
		for i, v := range f[:min(len(f), len(names))] {
			c.parse("conntrack_"+names[i], v, 16)
		}
	}
	return c
}
