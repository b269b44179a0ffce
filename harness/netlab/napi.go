// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/sys"
)

// A NAPIThread is the kernel thread in which a link's receive work runs.
type NAPIThread struct {
	PIDs []int // one for each receive queue; the lab's links have one

	ns   int
	link string
}

// newNAPIThread switches a link to threaded receive and pins the thread. A kernel that cannot (before 5.12) yields an
// error that wraps harness.ErrNotSupported. The link needs an XDP program: without one a veth has no receive queue to
// put into a thread.
func newNAPIThread(ns int, link string, ifindex, cpu int) (*NAPIThread, error) {
	t := &NAPIThread{ns: ns, link: link}
	before := napiThreads(link)
	if err := setThreaded(ns, link, true); err != nil {
		return nil, fmt.Errorf("make receive thread of %s: %w", link, err)
	}
	pids, err := napiPIDs(ns, ifindex)
	if err != nil || len(pids) == 0 {
		// Kernels before 6.8 do not tell. Threads of this name that were not there before are ours, unless another
		// run did the same at this moment; then it is better to stop.
		pids = nil
		for pid := range napiThreads(link) {
			if !before[pid] {
				pids = append(pids, pid)
			}
		}
	}
	if len(pids) != 1 {
		return nil, errors.Join(fmt.Errorf("find receive thread of %s: %d candidates, want 1 (is there an XDP program on the link?)",
			link, len(pids)), t.Close())
	}
	t.PIDs = pids
	var set unix.CPUSet
	set.Set(cpu)
	for _, pid := range pids {
		if err := unix.SchedSetaffinity(pid, &set); err != nil {
			return nil, errors.Join(fmt.Errorf("pin receive thread of %s to CPU %d: %w", link, cpu, err), t.Close())
		}
		// As receive work outside of a thread would, it goes before what else wants the CPU: a ring has 256 slots.
		if err := unix.SchedSetAttr(pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0); err != nil {
			return nil, errors.Join(fmt.Errorf("prefer receive thread of %s: %w", link, err), t.Close())
		}
	}
	return t, nil
}

// CPUTime is how long the thread has run on a CPU since it was made.
func (t *NAPIThread) CPUTime() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range t.PIDs {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil {
			return 0, fmt.Errorf("read CPU time of receive thread of %s: %w", t.link, err)
		}
		first, _, _ := strings.Cut(string(raw), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time of receive thread of %s: %w", t.link, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// Close moves the receive work back to where it is raised.
func (t *NAPIThread) Close() error {
	if err := setThreaded(t.ns, t.link, false); err != nil {
		return fmt.Errorf("end receive thread of %s: %w", t.link, err)
	}
	return nil
}

// setThreaded writes the link's attribute in sysfs. A sysfs shows the namespace it was mounted in, so a thread mounts one
// for itself, in a mount namespace of its own that ends with it.
func setThreaded(ns int, link string, on bool) (err error) {
	value := "0"
	if on {
		value = "1"
	}
	sys.OnThread(func() {
		if err = unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
			return
		}
		if err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return
		}
		if err = unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			return
		}
		if err = unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
			return
		}
		err = os.WriteFile("/sys/class/net/"+link+"/threaded", []byte(value), 0)
	})
	if errors.Is(err, os.ErrNotExist) {
		return unsupportedf("the kernel has no threaded NAPI (it came with 5.12)")
	}
	return err
}

// The part of the generic netlink family netdev that is needed here.
const (
	netdevNAPIGet     = 11
	netdevNAPIIfindex = 1
	netdevNAPIPID     = 4
)

// napiPIDs asks the kernel for the receive threads of a link.
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

// napiThreads are the kernel threads called like receive threads of a link of this name, in any namespace.
func napiThreads(link string) map[int]bool {
	found := map[int]bool{}
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
			found[pid] = true
		}
	}
	return found
}
