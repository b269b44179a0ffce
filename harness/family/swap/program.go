// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/sys"
)

// The names that every version has.
const (
	stampProgram   = "stamp"
	generationKnob = "generation"
)

// A hook is a place where a program runs. All methods are called in the namespace of the site.
type hook interface {
	// put attaches the first version.
	put(p *ebpf.Program) error
	// replace puts another in its place.
	replace(p *ebpf.Program) error
	close() error
}

// A programWay replaces a BPF program: the same object with another generation.
type programWay struct {
	versions  versions
	hook      hook
	ns        string
	now, next *bpfobj.Alone
}

// putProgram loads version 1 of a variant's object and puts it at a hook.
func putProgram(l *bpfobj.Loader, v harness.Variant, at harness.Site, open func(harness.Site) (hook, error)) (_ way, err error) {
	w := &programWay{ns: at.NS}
	if w.versions, err = openVersions(l, v); err != nil {
		return nil, err
	}
	if w.now, err = w.versions.load(1); err != nil {
		return nil, err
	}
	err = sys.InNS(at.NS, func() (err error) {
		if w.hook, err = open(at); err != nil {
			return err
		}
		return w.hook.put(w.now.Program)
	})
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *programWay) Load(_ context.Context, g uint32) (err error) {
	w.next, err = w.versions.load(g)
	return err
}

func (w *programWay) Replace(context.Context) error {
	if err := w.hook.replace(w.next.Program); err != nil {
		return errors.Join(err, w.next.Close())
	}
	old := w.now
	w.now, w.next = w.next, nil
	return old.Close()
}

// talks reports whether the hook sees packets of sockets alone.
func (w *programWay) talks() bool {
	_, ok := w.hook.(*cgroupHook)
	return ok
}

// InForce returns nil: the sink proves of each packet which version is in force.
func (w *programWay) InForce() error { return nil }

// Counters returns none.
func (w *programWay) Counters() (map[string]uint64, error) { return nil, nil }

func (w *programWay) Close() error {
	var errs []error
	if w.hook != nil {
		errs = append(errs, sys.InNS(w.ns, w.hook.close))
	}
	for _, a := range []*bpfobj.Alone{w.now, w.next} {
		if a != nil {
			errs = append(errs, a.Close())
		}
	}
	w.hook, w.now, w.next = nil, nil, nil
	return errors.Join(errs...)
}

// versions makes the versions of a variant's object.
type versions struct {
	loader *bpfobj.Loader
	object string
	spec   *ebpf.CollectionSpec
	knobs  []harness.Knob
}

func openVersions(l *bpfobj.Loader, v harness.Variant) (versions, error) {
	spec, err := bpf.Open(v.Object)
	if err != nil {
		return versions{}, err
	}
	if spec.Programs[stampProgram] == nil {
		return versions{}, fmt.Errorf("read %s: it has no program %q, which each version is", v.Object, stampProgram)
	}
	return versions{l, v.Object, spec, v.Knobs}, nil
}

// load loads version g.
func (v versions) load(g uint32) (*bpfobj.Alone, error) {
	a, err := bpfobj.LoadAlone(v.loader.Types, v.object, v.spec.Copy(), stampProgram, ofGeneration(v.knobs, g))
	return a, harness.Wrap(err, "load version %d", g)
}

// ofGeneration are the knobs of version g of a variant with these.
func ofGeneration(knobs []harness.Knob, g uint32) []harness.Knob {
	return append(slices.Clone(knobs), harness.Knob{Name: generationKnob, Value: uint64(g)})
}
