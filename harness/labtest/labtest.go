// SPDX-License-Identifier: Apache-2.0

package labtest

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// AsRoot skips a test that needs the kernel's help; as root it must run.
func AsRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a network namespace and loads BPF programs")
	}
}

// BpfSite makes a namespace without a name that holds one veth pair, and returns the site at its end eth0.
func BpfSite(t testing.TB) harness.Site {
	t.Helper()
	AsRoot(t)
	var handle netns.NsHandle
	site := harness.Site{Link: "eth0", MTU: 1600, ClientMTU: 1500, Seed: 7,
		Addr4: netip.MustParsePrefix("198.18.0.10/16"), Addr6: netip.MustParsePrefix("2001:2::10/64")}
	done := make(chan error)
	go func() { // on a thread that is thrown away
		runtime.LockOSThread()
		done <- func() (err error) {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			if handle, err = netns.Get(); err != nil {
				return err
			}
			la := netlink.NewLinkAttrs()
			la.Name, la.MTU = site.Link, site.MTU
			if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: la, PeerName: "peer"}); err != nil {
				return err
			}
			dev, err := netlink.LinkByName(site.Link)
			if err != nil {
				return err
			}
			site.Ifindex, site.MAC = dev.Attrs().Index, dev.Attrs().HardwareAddr
			return netlink.LinkSetUp(dev)
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handle.Close() })
	site.NS = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(handle))
	return site
}

// BpfCgroup makes a cgroup for the test and removes it at its end.
func BpfCgroup(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
			continue
		}
		dir, err := os.MkdirTemp(root, fmt.Sprintf("kxlab-test-%d-", os.Getpid()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(dir) })
		return dir
	}
	t.Fatal("no cgroup v2 here")
	return ""
}
