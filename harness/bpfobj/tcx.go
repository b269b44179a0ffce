// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// AttachTCX attaches the object's tc programs to the site's link: each at the hook that its section names, ingress
// where it names none. The link gets the XDP program that lets all through.
func AttachTCX(o *Object, at harness.Site) (places []Place, err error) {
	stand, err := StandXDP(at)
	if err != nil {
		return nil, err
	}
	places = append(places, stand)
	for _, name := range slices.Sorted(maps.Keys(o.spec.Programs)) {
		spec := o.spec.Programs[name]
		if spec.Type != ebpf.SchedCLS {
			continue
		}
		where := spec.AttachType
		if where != ebpf.AttachTCXEgress {
			where = ebpf.AttachTCXIngress
		}
		t, err := putTCX(o.Coll.Programs[name], where, at)
		if err != nil {
			return places, fmt.Errorf("attach %s: %w", o.Name, err)
		}
		places = append(places, t)
	}
	if len(places) == 1 {
		return places, fmt.Errorf("attach %s: it has no tc program", o.Name)
	}
	return places, nil
}

// A TcxPlace is a tc program on a link.
type TcxPlace struct {
	Link    link.Link // holds the program there
	where   ebpf.AttachType
	ns      string
	ifindex int
	name    string
	id      ebpf.ProgramID
}

func putTCX(p *ebpf.Program, where ebpf.AttachType, at harness.Site) (*TcxPlace, error) {
	id, err := programID(p)
	if err != nil {
		return nil, err
	}
	t := &TcxPlace{where: where, ns: at.NS, ifindex: at.Ifindex, name: at.Link, id: id}
	err = sys.InNS(at.NS, func() (err error) {
		t.Link, err = link.AttachTCX(link.TCXOptions{Interface: at.Ifindex, Program: p, Attach: where})
		return err
	})
	if errors.Is(err, link.ErrNotSupported) {
		return nil, harness.Skip("attach tcx to %s: this kernel has no tcx: %v", at.Link, err)
	}
	if err != nil {
		return nil, fmt.Errorf("attach tcx to %s: %w", at.Link, err)
	}
	return t, nil
}

// InForce asks the link for its programs. Ours must be there, and be the only one: another would change what is
// measured.
func (t *TcxPlace) InForce() error {
	return sys.InNS(t.ns, func() error {
		have, err := link.QueryPrograms(link.QueryOptions{Target: t.ifindex, Attach: t.where})
		if err != nil {
			return fmt.Errorf("query tcx of %s: %w", t.name, err)
		}
		return onlyProgram("tcx on "+t.name, have.Programs, t.id)
	})
}

func (t *TcxPlace) Close() error {
	if err := t.Link.Close(); err != nil {
		return fmt.Errorf("detach tcx from %s: %w", t.name, err)
	}
	return nil
}

// onlyProgram returns an error unless have is just the program id.
func onlyProgram(where string, have []link.AttachedProgram, id ebpf.ProgramID) error {
	if !slices.ContainsFunc(have, func(p link.AttachedProgram) bool { return p.ID == id }) {
		return fmt.Errorf("%s: detached (%d programs there)", where, len(have))
	}
	if len(have) != 1 {
		return fmt.Errorf("%s: %d programs run there, not one", where, len(have))
	}
	return nil
}
