// SPDX-License-Identifier: Apache-2.0

// Package labtest holds what tests of several packages share: a site in a namespace of its own, a cgroup, programs that are
// wrong on purpose. Only tests import it.
package labtest

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// objects are the programs of Object, each with its source beside it.
//
//go:embed testdata/*.bpf.o
var objects embed.FS

// Object reads one of the programs that are wrong on purpose: refused, misspelt_cc, misspelt_scx.
func Object(name string) (*ebpf.CollectionSpec, error) {
	raw, err := objects.ReadFile("testdata/" + name + ".bpf.o")
	if err != nil {
		return nil, fmt.Errorf("open object %s: %w", name, err)
	}
	return ebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
}

// Soak tells whether make soak runs this test: then it does as a whole what it does in part otherwise. The variable does not begin with
// KXLAB_, because the command, which tests run, refuses what it does not know.
func Soak() bool { return os.Getenv("LABTEST_SOAK") != "" }

// AsRoot skips a test that needs root unless it runs as root.
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
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
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
	t.Fatal("make cgroup: cgroup v2 is not mounted")
	return ""
}
