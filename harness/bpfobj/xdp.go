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

// passObject is the XDP program that lets everything through.
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
		return nil, fmt.Errorf("attach %s: it has %d XDP programs (%s), not one", o.Name, len(names), strings.Join(names, ", "))
	}
	x, err := putXDP(o.Coll.Programs[names[0]], at)
	if err != nil {
		return nil, fmt.Errorf("attach %s: %w", o.Name, err)
	}
	return []Place{x}, nil
}

// StandXDP puts the pass program on the site's link. XDP wants a program at the peer of a veth before it redirects or
// sends frames into it, and attaching one changes what the link costs: so every balancer's link carries one, the
// variant's own or this. A site without a link needs none.
func StandXDP(at harness.Site) (Place, error) {
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

// An owningPlace is a place that closes what is attached there along with it.
type owningPlace struct {
	Place
	owned io.Closer
}

func (p *owningPlace) Close() error { return errors.Join(p.Place.Close(), p.owned.Close()) }

// A nopPlace is nowhere.
type nopPlace struct{}

func (nopPlace) Close() error   { return nil }
func (nopPlace) InForce() error { return nil }

// An XdpPlace is an XDP program on a link.
type XdpPlace struct {
	Link    link.Link // holds the program there
	ns      string
	ifindex int
	name    string
	id      ebpf.ProgramID
}

// putXDP attaches a program in native mode. A link whose driver has none is not supported; a link that carries a program
// already is an error.
func putXDP(p *ebpf.Program, at harness.Site) (*XdpPlace, error) {
	id, err := programID(p)
	if err != nil {
		return nil, err
	}
	x := &XdpPlace{ns: at.NS, ifindex: at.Ifindex, name: at.Link, id: id}
	err = sys.InNS(at.NS, func() (err error) {
		x.Link, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: at.Ifindex, Flags: link.XDPDriverMode})
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
	return x, nil
}

// InForce asks the link, not only the attachment: this is what runs.
func (x *XdpPlace) InForce() error {
	return sys.InNS(x.ns, func() error {
		dev, err := netlink.LinkByIndex(x.ifindex)
		if err != nil {
			return fmt.Errorf("find link %s: %w", x.name, err)
		}
		xdp := dev.Attrs().Xdp
		switch {
		case xdp == nil || !xdp.Attached:
			return fmt.Errorf("XDP on %s: detached", x.name)
		case ebpf.ProgramID(xdp.ProgId) != x.id:
			return fmt.Errorf("XDP on %s: program %d runs there, not %d", x.name, xdp.ProgId, x.id)
		case xdp.AttachMode != attachedNative:
			return fmt.Errorf("XDP on %s: it does not run in native mode", x.name)
		}
		return nil
	})
}

func (x *XdpPlace) Close() error {
	if err := x.Link.Close(); err != nil {
		return fmt.Errorf("detach XDP from %s: %w", x.name, err)
	}
	return nil
}

// programID returns the kernel's id of a program.
func programID(p *ebpf.Program) (ebpf.ProgramID, error) {
	info, err := p.Info()
	if err != nil {
		return 0, fmt.Errorf("read program info: %w", err)
	}
	id, ok := info.ID()
	if !ok {
		return 0, harness.Skip("read program info: this kernel gives programs no ids")
	}
	return id, nil
}
