// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// A tcx is a BPF link at tcx ingress. A careless one is detached and attached instead of updated. The site's link has the pass
// program, without which frames would not arrive.
type tcx struct {
	at       harness.Site
	careless bool
	pass     bpfobj.Place
	link     link.Link
}

func openTCX(at harness.Site, careless bool) (hook, error) {
	pass, err := bpfobj.AttachPass(at)
	if err != nil {
		return nil, err
	}
	return &tcx{at: at, careless: careless, pass: pass}, nil
}

func (t *tcx) put(p *ebpf.Program) (err error) {
	t.link, err = link.AttachTCX(link.TCXOptions{Interface: t.at.Ifindex, Program: p, Attach: ebpf.AttachTCXIngress})
	return hookError(err, "attach tcx to %s", t.at.Link)
}

func (t *tcx) replace(p *ebpf.Program) error {
	if !t.careless {
		return harness.Wrap(t.link.Update(p), "update tcx link of %s", t.at.Link)
	}
	if err := t.detach(); err != nil {
		return err
	}
	return t.put(p)
}

func (t *tcx) detach() error {
	if t.link == nil {
		return nil
	}
	l := t.link
	t.link = nil
	return harness.Wrap(l.Close(), "detach tcx from %s", t.at.Link)
}

func (t *tcx) close() error { return errors.Join(t.detach(), t.pass.Close()) }

// A filter is a classifier of type bpf at the ingress of a clsact queueing discipline. A careless one is deleted and added instead
// of replaced.
type filter struct {
	at       harness.Site
	careless bool
	pass     bpfobj.Place
	qdisc    netlink.Qdisc
}

func openFilter(at harness.Site, careless bool) (_ hook, err error) {
	f := &filter{at: at, careless: careless}
	if f.pass, err = bpfobj.AttachPass(at); err != nil {
		return nil, err
	}
	if f.qdisc, err = addClsact(at); err != nil {
		return nil, errors.Join(err, f.pass.Close())
	}
	return f, nil
}

func (f *filter) put(p *ebpf.Program) error {
	return filterError(netlink.FilterAdd(bpfFilter(f.at, netlink.HANDLE_MIN_INGRESS, p)), "add", f.at)
}

func (f *filter) replace(p *ebpf.Program) error {
	if !f.careless {
		return filterError(netlink.FilterReplace(bpfFilter(f.at, netlink.HANDLE_MIN_INGRESS, p)), "replace", f.at)
	}
	if err := netlink.FilterDel(bpfFilter(f.at, netlink.HANDLE_MIN_INGRESS, p)); err != nil {
		return filterError(err, "delete", f.at)
	}
	return f.put(p)
}

func (f *filter) close() error {
	return errors.Join(harness.Wrap(netlink.QdiscDel(f.qdisc), "remove clsact from %s", f.at.Link), f.pass.Close())
}

// addClsact adds the queueing discipline that holds filters at ingress and egress.
func addClsact(at harness.Site) (netlink.Qdisc, error) {
	q := &netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: at.Ifindex, Parent: netlink.HANDLE_CLSACT, Handle: netlink.MakeHandle(0xffff, 0)}}
	return q, filterError(netlink.QdiscAdd(q), "add clsact for", at)
}

// bpfFilter describes the one filter of a hook. The same handle and priority name the same filter.
func bpfFilter(at harness.Site, hook uint32, p *ebpf.Program) *netlink.BpfFilter {
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: at.Ifindex, Parent: hook, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1},
		Fd:          p.FD(), Name: "kxlab", DirectAction: true,
	}
}

func filterError(err error, operation string, at harness.Site) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) {
		return harness.Skip("%s filter of %s: this kernel lacks clsact or filters of type bpf: %v", operation, at.Link, err)
	}
	return harness.Wrap(err, "%s", fmt.Sprintf("%s filter of %s", operation, at.Link))
}
