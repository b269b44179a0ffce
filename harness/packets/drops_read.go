// SPDX-License-Identifier: Apache-2.0

package packets

import (
	"bufio"
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
)

// From <linux/ethtool.h>: the set of strings that names statistics, and the length of a name in bytes.
const (
	setStats = 1
	nameLen  = 32
)

// counters are named counts that only grow.
type counters map[string]uint64

// taken is how many frames a link accepted from XDP programs elsewhere.
func (c counters) taken() uint64 { return c.sum("_xdp_xmit") }

// sum adds up the counters of all queues with an ending.
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
	c, err := driverStats(name)
	if err != nil {
		return nil, fmt.Errorf("read statistics of %s: %w", name, err)
	}
	raw, err := os.ReadFile("/proc/thread-self/net/dev")
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

// ethtool makes one request about a link; data is the request's own struct, which begins with the command.
func ethtool(socket int, link string, data unsafe.Pointer) error {
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // a union of 24 bytes
	}
	copy(req.name[:unix.IFNAMSIZ-1], link)
	req.data = data
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return errno
	}
	return nil
}

// driverStats is ethtool -S. A driver without statistics has none.
func driverStats(link string) (counters, error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(s)
	info := struct {
		cmd, reserved uint32
		mask          uint64
		n             [2]uint32
	}{cmd: unix.ETHTOOL_GSSET_INFO, mask: 1 << setStats}
	if err := ethtool(s, link, unsafe.Pointer(&info)); err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) {
			return counters{}, nil
		}
		return nil, err
	}
	n := int(info.n[0])
	if info.mask == 0 || n == 0 {
		return counters{}, nil
	}
	// Both answers: a header of words, then n names of 32 bytes or n values of 8.
	names := make([]uint64, 2+n*nameLen/8)
	head := (*[3]uint32)(unsafe.Pointer(&names[0]))
	head[0], head[1], head[2] = unix.ETHTOOL_GSTRINGS, setStats, uint32(n)
	if err := ethtool(s, link, unsafe.Pointer(&names[0])); err != nil {
		return nil, err
	}
	values := make([]uint64, 1+n)
	*(*[2]uint32)(unsafe.Pointer(&values[0])) = [2]uint32{unix.ETHTOOL_GSTATS, uint32(n)}
	if err := ethtool(s, link, unsafe.Pointer(&values[0])); err != nil {
		return nil, err
	}
	text := unsafe.Slice((*byte)(unsafe.Pointer(&names[0])), len(names)*8)[12:]
	c := counters{}
	for i := range n {
		name, _, _ := bytes.Cut(text[i*nameLen:][:nameLen], []byte{0})
		c[string(name)] = values[1+i]
	}
	return c, nil
}

// stackStats reads the counts of packets that the network stack of the calling thread's namespace threw away.
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
	link, err := netlink.LinkByIndex(ifindex)
	if err != nil {
		return 0, fmt.Errorf("read queues of link %d: %w", ifindex, err)
	}
	qdiscs, err := netlink.QdiscList(link)
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
		if len(f) == 0 {
			continue
		}
		if len(names) == len(f) && names[0] == f[0] {
			for i, v := range f[1:] {
				if n, err := strconv.ParseUint(v, 10, 64); err == nil {
					c[strings.TrimSuffix(f[0], ":")+names[1+i]] = n
				}
			}
			names = nil
			continue
		}
		names = f
	}
	return c
}

// parseLines reads the form of /proc/net/snmp6: a name and a value on each line.
func parseLines(raw []byte) counters {
	c := counters{}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 2 {
			if n, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				c[f[0]] = n
			}
		}
	}
	return c
}

// parseConntrack reads the form of /proc/net/stat/nf_conntrack: a line of names, then a line of hexadecimal values a CPU.
func parseConntrack(raw []byte) counters {
	c := counters{}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	var names []string
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if names == nil {
			names = f
			continue
		}
		for i, v := range f[:min(len(f), len(names))] {
			if n, err := strconv.ParseUint(v, 16, 64); err == nil {
				c["conntrack_"+names[i]] += n
			}
		}
	}
	return c
}
