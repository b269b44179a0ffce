// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/sys"
)

// A tableWay replaces the table of a program at XDP: a map in the program's map of maps.
type tableWay struct {
	program   *bpfobj.Alone
	inner     *ebpf.MapSpec
	xdp       xdpLink
	now, next *ebpf.Map
}

// putTable loads a variant's object, gives it version 1 of its table and attaches it.
func putTable(l *bpfobj.Loader, v harness.Variant, at harness.Site) (_ way, err error) {
	spec, err := bpf.Open(v.Object)
	if err != nil {
		return nil, err
	}
	if m := spec.Maps["tables"]; m == nil || m.InnerMap == nil || spec.Programs[stampProgram] == nil {
		return nil, fmt.Errorf("read %s: it has no program %q with a map of maps %q", v.Object, stampProgram, "tables")
	}
	w := &tableWay{inner: spec.Maps["tables"].InnerMap.Copy(), xdp: xdpLink{at: at}}
	if w.program, err = bpfobj.LoadAlone(l.Types, v.Object, spec, stampProgram, v.Knobs); err != nil {
		return nil, err
	}
	if err = w.Load(context.Background(), 1); err == nil {
		err = w.Replace(context.Background())
	}
	if err == nil {
		err = sys.InNS(at.NS, func() error { return w.xdp.put(w.program.Program) })
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *tableWay) Load(_ context.Context, g uint32) (err error) {
	if w.next, err = ebpf.NewMap(w.inner); err != nil {
		return fmt.Errorf("make table %d: %w", g, err)
	}
	return harness.Wrap(w.next.Put(uint32(0), g), "fill table %d", g)
}

func (w *tableWay) Replace(context.Context) error {
	if err := w.program.Coll.Maps["tables"].Put(uint32(0), w.next); err != nil {
		return fmt.Errorf("replace table: %w", err)
	}
	old := w.now
	w.now, w.next = w.next, nil
	if old == nil {
		return nil
	}
	return old.Close()
}

// InForce returns nil: the sink proves of each packet which version is in force.
func (w *tableWay) InForce() error { return nil }

// Counters returns none.
func (w *tableWay) Counters() (map[string]uint64, error) { return nil, nil }

func (w *tableWay) Close() error {
	errs := []error{w.xdp.close(), w.program.Close()}
	for _, m := range []*ebpf.Map{w.now, w.next} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	w.now, w.next = nil, nil
	return errors.Join(errs...)
}
