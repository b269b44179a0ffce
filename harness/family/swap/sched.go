// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/sys"
)

// schedTime is the longest time that the kernel may take to enable a scheduler or to disable it.
const schedTime = 20 * time.Second

// A schedWay replaces a BPF scheduler of the whole machine. The kernel has room for one, so that none is in force before the first Replace
// and after release. It is careless: the scheduler is detached and the next attached, and in between the kernel's own schedules. One that is
// not updates the link.
type schedWay struct {
	loader    *bpfobj.Loader
	variant   harness.Variant
	careless  bool
	now, next *scheduler // nil: none
	reigns    []reign    // of the versions since release, in their order
}

// A scheduler is one version, loaded.
type scheduler struct {
	generation uint32
	name       string // in the kernel
	coll       *ebpf.Collection
	ops        *ebpf.Map
	link       link.Link // nil: not attached
}

// A reign is the time in which a version was in force, by its own decisions: from the first to the last, ns of CLOCK_MONOTONIC.
type reign struct {
	generation  uint32
	first, last uint64
}

// putSched loads version 1 of a variant's object. A way that updates tries that.
func putSched(ctx context.Context, l *bpfobj.Loader, v harness.Variant, guest, careless bool) (_ way, err error) {
	if !guest {
		return nil, harness.Skip("sched_ext would schedule this whole machine: use --target exact or vm")
	}
	if _, err := sys.ReadSchedState(sys.SysSchedExt); err != nil {
		return nil, err
	}
	w := &schedWay{loader: l, variant: v, careless: careless}
	if err = w.Load(ctx, 1); err == nil && !careless {
		err = w.tryUpdate(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// tryUpdate replaces version 1 by version 2, and ends both.
func (w *schedWay) tryUpdate(ctx context.Context) error {
	for g := uint32(1); g <= 2; g++ {
		if err := w.Load(ctx, g); err != nil {
			return err
		}
		if err := w.Replace(ctx); err != nil {
			return err
		}
	}
	_, err := w.release()
	return err
}

func (w *schedWay) Load(_ context.Context, g uint32) error {
	o, err := bpfobj.OpenSched(w.variant.Object)
	if err != nil {
		return err
	}
	for _, name := range []string{"first", "last"} {
		if o.Spec.Variables[name] == nil {
			return fmt.Errorf("read %s: it has no variable %q, the time of a decision of a version", w.variant.Object, name)
		}
	}
	s := &scheduler{generation: g, name: bpfobj.SchedName(w.variant.Name, os.Getpid(), uint64(g))}
	if s.coll, s.ops, err = bpfobj.LoadSched(w.loader.Types, o, s.name, w.variant.Knobs); err != nil {
		return fmt.Errorf("load version %d: %w", g, err)
	}
	w.drop()
	w.next = s
	return nil
}

// drop unloads the version that was loaded last, if it is not in force.
func (w *schedWay) drop() {
	if w.next != nil {
		w.next.coll.Close()
		w.next = nil
	}
}

func (w *schedWay) Replace(ctx context.Context) (err error) {
	if w.now != nil && !w.careless {
		if err := bpfobj.UpdateStructOps(w.now.link, w.next.ops, w.now.ops); err != nil {
			return fmt.Errorf("replace scheduler %s: %w", w.now.name, err)
		}
		w.next.link, w.now.link = w.now.link, nil
	}
	if err := w.end(); err != nil {
		return err
	}
	if w.next.link == nil {
		if w.next.link, err = link.AttachStructOps(link.StructOpsOptions{Map: w.next.ops}); err != nil {
			return fmt.Errorf("attach scheduler %s: %w", w.next.name, err)
		}
	}
	w.now, w.next = w.next, nil
	return w.await(ctx, func(s sys.SchedState) bool { return s.State == "enabled" && s.Ops == w.now.name })
}

// await waits until the state of sched_ext is as wanted.
func (w *schedWay) await(ctx context.Context, wanted func(sys.SchedState) bool) error {
	for begin := time.Now(); ; time.Sleep(look) {
		s, err := sys.ReadSchedState(sys.SysSchedExt)
		switch {
		case err != nil:
			return err
		case wanted(s):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Since(begin) > schedTime:
			return fmt.Errorf("replace scheduler: sched_ext is still %s (%s) after %v", s.State, s.Ops, schedTime)
		}
	}
}

// end ends the version in force, if there is one, and notes its reign.
func (w *schedWay) end() error {
	if w.now == nil {
		return nil
	}
	old := w.now
	w.now = nil
	var err error
	if old.link != nil {
		err = harness.Wrap(old.link.Close(), "detach scheduler %s", old.name)
	}
	err = errors.Join(err, w.await(context.Background(), func(s sys.SchedState) bool { return s.Ops != old.name }))
	r, readErr := old.reign()
	w.reigns = append(w.reigns, r)
	old.coll.Close()
	return errors.Join(err, readErr)
}

// release ends the version in force and returns the reigns of all versions since the last release.
func (w *schedWay) release() ([]reign, error) {
	err := w.end()
	all := w.reigns
	w.reigns = nil
	return all, err
}

// reign is the time so far in which the version has been in force.
func (s *scheduler) reign() (reign, error) {
	r := reign{generation: s.generation}
	err := errors.Join(s.coll.Variables["first"].Get(&r.first), s.coll.Variables["last"].Get(&r.last))
	return r, harness.Wrap(err, "read decisions of scheduler %s", s.name)
}

// decided reports whether version g is in force and has decided.
func (w *schedWay) decided(g uint32) (bool, error) {
	r, err := w.now.reign()
	return r.generation == g && r.first > 0, err
}

// InForce returns an error if the kernel no longer runs the version in force. Without one it returns nil.
func (w *schedWay) InForce() error {
	if w.now == nil {
		return nil
	}
	s, err := sys.ReadSchedState(sys.SysSchedExt)
	if err == nil && (s.State != "enabled" || s.Ops != w.now.name) {
		err = fmt.Errorf("scheduler %s is not in force: sched_ext is %s (%s)", w.now.name, s.State, s.Ops)
	}
	return err
}

// Counters returns none.
func (w *schedWay) Counters() (map[string]uint64, error) { return nil, nil }

func (w *schedWay) Close() error {
	_, err := w.release()
	w.drop()
	return err
}
