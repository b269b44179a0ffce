// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"errors"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// tailObject is the dispatcher.
const tailObject = "swap/xdp_tail"

// A tail is a dispatcher at XDP with the version in its only entry. A careless one deletes the entry before it writes the next.
type tail struct {
	dispatcher *bpfobj.Alone
	xdp        xdpLink
	careless   bool
}

func openTail(l *bpfobj.Loader, at harness.Site, careless bool) (hook, error) {
	spec, err := bpf.Open(tailObject)
	if err != nil {
		return nil, err
	}
	d, err := bpfobj.LoadAlone(l.Types, tailObject, spec, "dispatch", nil)
	if err != nil {
		return nil, err
	}
	return &tail{dispatcher: d, xdp: xdpLink{at: at}, careless: careless}, nil
}

func (t *tail) put(p *ebpf.Program) error {
	if err := t.write(p); err != nil {
		return err
	}
	return t.xdp.put(t.dispatcher.Program)
}

func (t *tail) replace(p *ebpf.Program) error {
	if t.careless {
		if err := t.dispatcher.Coll.Maps["versions"].Delete(uint32(0)); err != nil {
			return harness.Wrap(err, "delete tail call entry")
		}
	}
	return t.write(p)
}

func (t *tail) write(p *ebpf.Program) error {
	return harness.Wrap(t.dispatcher.Coll.Maps["versions"].Put(uint32(0), uint32(p.FD())), "write tail call entry")
}

func (t *tail) close() error { return errors.Join(t.xdp.close(), t.dispatcher.Close()) }
