// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"

	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/sys"
)

// markObject copies marks into stamps.
const markObject = "swap/tc_mark"

// A rulesWay replaces the one rule that packets meet in a table of rules, by the programs of the tool. Its link has the pass program
// and, at egress, a filter that makes stamps. Tables and filter end with the namespace.
type rulesWay struct {
	next   func(from, to uint32) []command // which replace
	pass   bpfobj.Place
	copier *bpfobj.Alone
	now    uint32 // the version in force
	then   uint32 // the version that was loaded
	loaded []command
}

// putRules sets a table of so many rules with version 1 of the one that packets meet.
func putRules(ctx context.Context, l *bpfobj.Loader, at harness.Site, t table, rules int, next func(from, to uint32) []command) (_ way, err error) {
	w := &rulesWay{next: next, now: 1}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if w.pass, err = bpfobj.AttachPass(at); err != nil {
		return nil, err
	}
	err = sys.InNS(at.NS, func() (err error) {
		if w.copier, err = addCopier(l, at, t.copier); err != nil {
			return err
		}
		if t.prepare != nil {
			if err := t.prepare(); err != nil {
				return err
			}
		}
		return missing(t.name, t.whole(rules, 1).run(ctx))
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// addCopier adds the filter that makes stamps of what versions left in packets, at the egress of the site's link, in whose namespace the calling thread is. The
// filter ends with the namespace.
func addCopier(l *bpfobj.Loader, at harness.Site, object string) (_ *bpfobj.Alone, err error) {
	spec, err := bpf.Open(object)
	if err != nil {
		return nil, err
	}
	copier, err := bpfobj.LoadAlone(l.Types, object, spec, "mark", nil)
	if err != nil {
		return nil, err
	}
	if _, err = addClsact(at); err == nil {
		err = filterError(netlink.FilterAdd(bpfFilter(at, netlink.HANDLE_MIN_EGRESS, copier.Program)), "add", at)
	}
	if err != nil {
		return nil, errors.Join(err, copier.Close())
	}
	return copier, nil
}

func (w *rulesWay) Load(_ context.Context, g uint32) error {
	w.then, w.loaded = g, w.next(w.now, g)
	return nil
}

func (w *rulesWay) Replace(ctx context.Context) error {
	for _, c := range w.loaded {
		if err := c.run(ctx); err != nil {
			return err
		}
	}
	w.now = w.then
	return nil
}

// InForce returns nil: the sink proves of each packet which version is in force.
func (w *rulesWay) InForce() error { return nil }

// Counters returns none.
func (w *rulesWay) Counters() (map[string]uint64, error) { return nil, nil }

func (w *rulesWay) Close() error {
	var errs []error
	if w.pass != nil {
		errs = append(errs, w.pass.Close())
	}
	if w.copier != nil {
		errs = append(errs, w.copier.Close())
	}
	w.pass, w.copier = nil, nil
	return errors.Join(errs...)
}
