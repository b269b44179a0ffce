// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/kmod"
)

// A modulePlace runs functions in the init of a kernel module (bpf/jit/functions.mod.c), which does not stay.
type modulePlace struct{ module []byte }

// openModule is the place of the embedded module.
func openModule(guest bool) (place, error) {
	if !guest {
		return nil, harness.Skip("modules of the lab are loaded in guests only: take target exact or vm")
	}
	raw, err := bpf.Module("jit/functions")
	if err != nil {
		return nil, err
	}
	raw, err = kmod.Fit(raw)
	return modulePlace{raw}, err
}

func (p modulePlace) open(f function, _ order) (session, error) {
	if f.onlyBPF {
		return nil, errOnlyBPF(f)
	}
	m, err := newMemory()
	return moduleSession{m, p.module}, err
}

// A moduleSession is the module and the memory from which it takes its job.
type moduleSession struct {
	memory
	module []byte
}

// run loads the module, which makes the trial and is gone.
func (s moduleSession) run(_ context.Context, j *abi.JitJob) error {
	*s.job = *j
	module, err := kmod.Set(s.module, "job_at", uint64(uintptr(unsafe.Pointer(s.job))))
	if err != nil {
		return err
	}
	err = kmod.Load(module)
	if !errors.Is(err, unix.EALREADY) { // what init returns when it is done
		if err == nil {
			err = errors.New("the module stayed")
		}
		return fmt.Errorf("load module: %w", err)
	}
	*j = *s.job
	return nil
}
