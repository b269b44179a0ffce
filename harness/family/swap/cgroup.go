// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// A cgroupHook is a BPF link at the egress of the site's cgroup. A careless one is detached and attached instead of updated. Its versions
// mark packets of the cgroup's sockets, and a filter copies the marks into the stamps.
type cgroupHook struct {
	path     string
	careless bool
	copier   *bpfobj.Alone
	link     link.Link
}

func openCgroup(l *bpfobj.Loader, at harness.Site, careless bool) (_ hook, err error) {
	if at.Cgroup == "" {
		return nil, harness.Skip("a program at a cgroup needs cgroup v2, which this machine has not mounted")
	}
	c := &cgroupHook{path: at.Cgroup, careless: careless}
	if c.copier, err = addCopier(l, at, markObject); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *cgroupHook) put(p *ebpf.Program) (err error) {
	c.link, err = link.AttachCgroup(link.CgroupOptions{Path: c.path, Attach: ebpf.AttachCGroupInetEgress, Program: p})
	return hookError(err, "attach to cgroup %s", c.path)
}

func (c *cgroupHook) replace(p *ebpf.Program) error {
	if !c.careless {
		return harness.Wrap(c.link.Update(p), "update link of cgroup %s", c.path)
	}
	if err := c.detach(); err != nil {
		return err
	}
	return c.put(p)
}

func (c *cgroupHook) detach() error {
	if c.link == nil {
		return nil
	}
	l := c.link
	c.link = nil
	return harness.Wrap(l.Close(), "detach from cgroup %s", c.path)
}

func (c *cgroupHook) close() error { return errors.Join(c.detach(), c.copier.Close()) }
