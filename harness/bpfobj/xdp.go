// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// passObject has an XDP program that passes every packet.
const passObject = "traffic/pass"

// attachedNative is XDP_ATTACHED_DRV of the kernel's if_link.h.
const attachedNative = 1

// AttachXDP attaches the object's one XDP program to the site's link, in native mode.
func AttachXDP(o *Object, at harness.Site) ([]Place, error) {
	var names []string
	for name, p := range o.spec.Programs {
		if p.Type == ebpf.XDP {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		slices.Sort(names)
		return nil, fmt.Errorf("attach %s: it has %d XDP programs (%s), want one", o.Name, len(names), strings.Join(names, ", "))
	}
	x, err := attachXDP(o.Coll.Programs[names[0]], at)
	if err != nil {
		return nil, fmt.Errorf("attach %s: %w", o.Name, err)
	}
	return []Place{x}, nil
}

// AttachPass attaches the pass program to the site's link. A veth accepts redirected frames only if its peer has an XDP
// program, and a program changes the cost of a link; so every balancer's link carries one, the variant's own or this.
// A site without a link needs none.
func AttachPass(at harness.Site) (Place, error) {
	if at.Link == "" {
		return nopPlace{}, nil
	}
	spec, err := bpf.Open(passObject)
	if err != nil {
		return nil, err
	}
	o, err := LoadObject(passObject, spec, nil, at, 0)
	if err != nil {
		return nil, err
	}
	places, err := AttachXDP(o, at)
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return &owningPlace{places[0], o}, nil
}

// An owningPlace is a place that also closes the object attached there.
type owningPlace struct {
	Place
	owned io.Closer
}

func (p *owningPlace) Close() error { return errors.Join(p.Place.Close(), p.owned.Close()) }

// A nopPlace is the place at a site without a link.
type nopPlace struct{}

func (nopPlace) Close() error   { return nil }
func (nopPlace) InForce() error { return nil }

// attachXDP attaches a program in native mode. A link whose driver has no native mode is not supported; a link that
// already carries a program is an error.
func attachXDP(p *ebpf.Program, at harness.Site) (*Attachment, error) {
	id, err := programID(p)
	if err != nil {
		return nil, err
	}
	var l link.Link
	err = sys.InNS(at.NS, func() (err error) {
		l, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: at.Ifindex, Flags: link.XDPDriverMode})
		return err
	})
	switch {
	case errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, link.ErrNotSupported):
		return nil, harness.Skip("attach XDP to %s: the link or kernel has no native XDP: %v", at.Link, err)
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("attach XDP to %s: it carries a program already: %w", at.Link, err)
	case err != nil:
		return nil, fmt.Errorf("attach XDP to %s: %w", at.Link, err)
	}
	hook := "XDP on " + at.Link
	return &Attachment{l, hook, func() error {
		return sys.InNS(at.NS, func() error {
			dev, err := netlink.LinkByIndex(at.Ifindex)
			if err != nil {
				return fmt.Errorf("find link %s: %w", at.Link, err)
			}
			xdp := dev.Attrs().Xdp
			switch {
			case xdp == nil || !xdp.Attached:
				return fmt.Errorf("%s: detached", hook)
			case ebpf.ProgramID(xdp.ProgId) != id:
				return fmt.Errorf("%s: program %d runs there, want %d", hook, xdp.ProgId, id)
			case xdp.AttachMode != attachedNative:
				return fmt.Errorf("%s: it does not run in native mode", hook)
			}
			return nil
		})
	}}, nil
}
