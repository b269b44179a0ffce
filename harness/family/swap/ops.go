// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

const (
	// flowsMap is the map in which every version stamps connections.
	flowsMap = "flows"
	// opsNames is the number of names that are tried: other ways and other processes have some.
	opsNames = 99
)

// An opsWay replaces a congestion control, a struct of operations that is registered for the whole machine under a name of its own. Its
// link is updated. A careless one is unregistered, and the next is registered under the same name.
type opsWay struct {
	loader    *bpfobj.Loader
	variant   harness.Variant
	careless  bool
	name      string
	flows     *ebpf.Map // of all versions
	now, next *bpfobj.CcInstance
	link      link.Link // nil: not registered
}

// putOps registers version 1 of a variant's object.
func putOps(ctx context.Context, l *bpfobj.Loader, v harness.Variant, careless bool) (_ way, err error) {
	o, err := bpfobj.OpenCC(v)
	if err != nil {
		return nil, err
	}
	m := o.Spec.Maps[flowsMap]
	if m == nil || m.Type != ebpf.SkStorage {
		return nil, fmt.Errorf("read %s: it has no map %q of storage at sockets, in which each version stamps its connections", v.Object, flowsMap)
	}
	w := &opsWay{loader: l, variant: v, careless: careless}
	if w.flows, err = ebpf.NewMap(m); err != nil {
		return nil, fmt.Errorf("make map %s of %s: %w", flowsMap, v.Object, err)
	}
	for n := 1; n <= opsNames; n++ {
		w.name = fmt.Sprintf("kx_swap%d", n)
		if err = w.Load(ctx, 1); err == nil {
			err = w.register()
		}
		if !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Load makes version g, which stamps connections in the map that all versions share.
func (w *opsWay) Load(_ context.Context, g uint32) error {
	o, err := bpfobj.OpenCC(w.variant)
	if err != nil {
		return err
	}
	for _, p := range o.Spec.Programs {
		for i := range p.Instructions {
			if ins := &p.Instructions[i]; ins.IsLoadFromMap() && ins.Reference() == flowsMap {
				if err := ins.AssociateMap(w.flows); err != nil {
					return fmt.Errorf("share map %s: %w", flowsMap, err)
				}
			}
		}
	}
	delete(o.Spec.Maps, flowsMap)
	w.next, err = bpfobj.LoadCC(w.loader.Types, o, w.name, ofGeneration(w.variant.Knobs, g))
	return harness.Wrap(err, "load version %d", g)
}

// Replace puts the version that was loaded last in the place of the one in force. Connections keep the version that they have.
func (w *opsWay) Replace(context.Context) error {
	if w.careless {
		if err := w.unregister(); err != nil {
			return err
		}
		return w.register()
	}
	if err := bpfobj.UpdateStructOps(w.link, w.next.Ops, w.now.Ops); err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", w.name, err), w.drop())
	}
	old := w.now
	w.now, w.next = w.next, nil
	return old.Close()
}

// register registers the version that was loaded last.
func (w *opsWay) register() (err error) {
	if w.link, err = link.AttachStructOps(link.StructOpsOptions{Map: w.next.Ops}); err != nil {
		return errors.Join(fmt.Errorf("register %s: %w", w.name, err), w.drop())
	}
	w.now, w.next = w.next, nil
	return nil
}

// unregister unregisters the version in force, if there is one.
func (w *opsWay) unregister() error {
	if w.link == nil {
		return nil
	}
	l, old := w.link, w.now
	w.link, w.now = nil, nil
	return errors.Join(harness.Wrap(l.Close(), "unregister %s", w.name), old.Close())
}

// drop unloads the version that was loaded last, if it is not in force.
func (w *opsWay) drop() error {
	if w.next == nil {
		return nil
	}
	next := w.next
	w.next = nil
	return next.Close()
}

// choose has a socket use the version in force.
func (w *opsWay) choose(fd int) error {
	return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, w.name)
}

// served is what the versions left at the connection of a descriptor; zero if none served it.
func (w *opsWay) served(fd int) (f flow, err error) {
	err = w.flows.Lookup(int32(fd), &f)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return flow{}, nil
	}
	return f, harness.Wrap(err, "read version of a connection")
}

// InForce returns nil: each connection proves which version it has.
func (w *opsWay) InForce() error { return nil }

// Counters returns none.
func (w *opsWay) Counters() (map[string]uint64, error) { return nil, nil }

// Close unregisters the version in force. Connections keep it until they end.
func (w *opsWay) Close() error { return errors.Join(w.unregister(), w.drop(), w.flows.Close()) }
