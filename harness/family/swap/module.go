// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/kmod"
)

const (
	moduleObject = "swap/hook_stamp"
	moduleName   = "kxlab_swap"
)

// moduleMembers are the variables of the module that say where the kernel has what it uses.
var moduleMembers = map[string][2]string{
	"inum_at": {"net", "ns.inum"}, "init_at": {"pernet_operations", "init"}, "exit_at": {"pernet_operations", "exit"},
	"hook_at": {"nf_hook_ops", "hook"}, "pf_at": {"nf_hook_ops", "pf"}, "data_at": {"sk_buff", "data"},
}

// A moduleWay replaces a kernel module, which stamps packets at a hook of netfilter: a kernel has one module of a name, so the one in force
// is removed before the next is inserted. Its link has the pass program.
type moduleWay struct {
	fitted []byte // for the running kernel, without a generation
	next   []byte
	inside bool // a version is in the kernel
	pass   bpfobj.Place
}

// putModule inserts version 1.
func putModule(at harness.Site, guest bool) (_ way, err error) {
	if !guest {
		return nil, harness.Skip("modules of the lab are loaded in guests only: take target exact or vm")
	}
	w := &moduleWay{}
	if w.fitted, err = fitModule(at.NS); err != nil {
		return nil, err
	}
	if w.pass, err = bpfobj.AttachPass(at); err != nil {
		return nil, err
	}
	if err = w.Load(context.Background(), 1); err == nil {
		err = w.insert()
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// fitModule is the module for the running kernel and a network namespace.
func fitModule(ns string) ([]byte, error) {
	module, err := bpf.Module(moduleObject)
	if err == nil {
		module, err = kmod.Fit(module)
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Stat(ns, &st); err != nil {
		return nil, fmt.Errorf("read network namespace %s: %w", ns, err)
	}
	values := map[string]uint64{"namespace": st.Ino}
	for name, m := range moduleMembers {
		if values[name], err = kmod.Member(m[0], m[1]); err != nil {
			return nil, err
		}
	}
	for name, value := range values {
		if module, err = kmod.Set(module, name, value); err != nil {
			return nil, err
		}
	}
	return module, nil
}

func (w *moduleWay) Load(_ context.Context, g uint32) (err error) {
	w.next, err = kmod.Set(w.fitted, "generation", uint64(g))
	return err
}

func (w *moduleWay) Replace(context.Context) error {
	if err := w.remove(); err != nil {
		return err
	}
	return w.insert()
}

func (w *moduleWay) insert() error {
	if err := kmod.Load(w.next); err != nil {
		return fmt.Errorf("insert module %s: %w", moduleName, err)
	}
	w.inside = true
	return nil
}

func (w *moduleWay) remove() error {
	if !w.inside {
		return nil
	}
	w.inside = false
	return kmod.Remove(moduleName)
}

// InForce returns nil: the sink proves of each packet which version is in force.
func (w *moduleWay) InForce() error { return nil }

// Counters returns none.
func (w *moduleWay) Counters() (map[string]uint64, error) { return nil, nil }

func (w *moduleWay) Close() error { return errors.Join(w.remove(), w.pass.Close()) }
