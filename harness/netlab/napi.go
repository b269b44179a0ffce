// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// A NAPIThread is the kernel thread that does a link's receive work.
type NAPIThread struct {
	PIDs []int // one for each receive queue; the lab's links have one

	ns   int
	link string
}

// newNAPIThread switches a link to threaded receive and pins the thread. A kernel without threaded NAPI (before 5.12) yields
// an error that wraps harness.ErrNotSupported. The link needs an XDP program: without one a veth has no receive queue.
func newNAPIThread(ns int, link string, ifindex, cpu int) (*NAPIThread, error) {
	t := &NAPIThread{ns: ns, link: link}
	before := napiThreads(link)
	if err := setThreaded(ns, link, "1"); err != nil {
		return nil, fmt.Errorf("make receive thread of %s: %w", link, err)
	}
	pids, err := napiPIDs(ns, ifindex)
	if err != nil || len(pids) == 0 {
		// Kernels before 6.8 do not list them. New threads of this name are ours, unless another run makes one at the same
		// time; then there are two candidates, which is an error.
		pids = slices.DeleteFunc(napiThreads(link), func(pid int) bool { return slices.Contains(before, pid) })
	}
	if len(pids) != 1 {
		return nil, errors.Join(fmt.Errorf("find receive thread of %s: %d candidates, want 1 (is there an XDP program on the link?)",
			link, len(pids)), t.Close())
	}
	t.PIDs = pids
	for _, pid := range pids {
		err := sys.Pin(pid, cpu)
		if err == nil {
			// It runs before other threads of the CPU, as softirq receive work does: a ring has 256 slots.
			err = unix.SchedSetAttr(pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("place receive thread of %s: %w", link, err), t.Close())
		}
	}
	return t, nil
}

// CPUTime is the CPU time of the thread since it was made.
func (t *NAPIThread) CPUTime() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range t.PIDs {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		var ns int64
		if err == nil {
			first, _, _ := strings.Cut(string(raw), " ")
			ns, err = strconv.ParseInt(first, 10, 64)
		}
		if err != nil {
			return 0, fmt.Errorf("read CPU time of receive thread of %s: %w", t.link, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// Close moves the receive work back to softirq.
func (t *NAPIThread) Close() error {
	return harness.Wrap(setThreaded(t.ns, t.link, "0"), "end receive thread of %s", t.link)
}

// setThreaded writes the link's attribute in sysfs. A sysfs shows the network namespace in which it was mounted, so a thread
// mounts one for itself, in a mount namespace of its own that ends with the thread.
func setThreaded(ns int, link, value string) (err error) {
	sys.OnThread(func() {
		err = inOrder(
			step{"make mount namespace", func() error { return unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS) }},
			step{"make mounts private", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
			step{"enter network namespace", func() error { return unix.Setns(ns, unix.CLONE_NEWNET) }},
			step{"mount sysfs", func() error { return unix.Mount("sysfs", "/sys", "sysfs", 0, "") }},
			step{"", func() error { return os.WriteFile("/sys/class/net/"+link+"/threaded", []byte(value), 0) }},
		)
	})
	if errors.Is(err, os.ErrNotExist) {
		return harness.Skip("the kernel has no threaded NAPI (it came with 5.12)")
	}
	return err
}

// The part of the generic netlink family netdev that is needed here.
const (
	netdevNAPIGet     = 11
	netdevNAPIIfindex = 1
	netdevNAPIPID     = 4
)

// napiPIDs returns the receive threads that the kernel lists for a link.
func napiPIDs(ns, ifindex int) (pids []int, err error) {
	err = sys.InNSOf(ns, func() error {
		family, err := netlink.GenlFamilyGet("netdev")
		if err != nil {
			return fmt.Errorf("find netlink family netdev: %w", err)
		}
		req := nl.NewNetlinkRequest(int(family.ID), unix.NLM_F_DUMP)
		req.AddData(&nl.Genlmsg{Command: netdevNAPIGet, Version: 1})
		req.AddData(nl.NewRtAttr(netdevNAPIIfindex, nl.Uint32Attr(uint32(ifindex))))
		msgs, err := req.Execute(unix.NETLINK_GENERIC, 0)
		if err != nil {
			return fmt.Errorf("list receive queues: %w", err)
		}
		for _, m := range msgs {
			if len(m) < nl.SizeofGenlmsg {
				continue
			}
			attrs, err := nl.ParseRouteAttr(m[nl.SizeofGenlmsg:])
			if err != nil {
				return fmt.Errorf("read receive queues: %w", err)
			}
			for _, a := range attrs {
				if a.Attr.Type == netdevNAPIPID && len(a.Value) == 4 {
					pids = append(pids, int(nl.NativeEndian().Uint32(a.Value)))
				}
			}
		}
		return nil
	})
	return pids, err
}

// napiThreads returns the kernel threads with names of receive threads of a link of this name, in any namespace.
func napiThreads(link string) (found []int) {
	want := "napi/" + link + "-"
	want = want[:min(len(want), 15)] // the kernel cuts names
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		comm, err := os.ReadFile("/proc/" + e.Name() + "/comm")
		if err == nil && strings.HasPrefix(string(comm), want) {
			found = append(found, pid)
		}
	}
	return found
}
