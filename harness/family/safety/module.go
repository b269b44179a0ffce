// SPDX-License-Identifier: Apache-2.0

package safety

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/kmod"
)

// openModule reads the module of a fault.
func openModule(v harness.Variant) ([]byte, error) {
	raw, err := bpf.Module(v.Object)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, harness.Skip("no module makes this mistake")
	}
	return raw, err
}

// moduleExpectations are those that a fault's module carries.
func moduleExpectations(v harness.Variant) ([]expectation, error) {
	raw, err := openModule(v)
	if err != nil {
		return nil, err
	}
	texts, err := kmod.Info(raw, "expect")
	if err != nil {
		return nil, err
	}
	all, err := parseExpectations(texts)
	return all, harness.Wrap(err, "read module %s", v.Object)
}

// module loads a fault's module, which runs it. The module does not stay.
func (s *stage) module(ctx context.Context, v harness.Variant) (found, error) {
	raw, err := openModule(v)
	if err != nil {
		return found{}, err
	}
	if raw, err = kmod.Fit(raw); err != nil {
		return found{}, err
	}
	err = guard(ctx, v.Name+" by "+byModule, func() error { return kmod.Load(raw) })
	return readModule(err)
}

// readModule reads what a module's init returned (bpf/include/safety.mod.h), which is never success.
func readModule(err error) (found, error) {
	for errno, fate := range map[unix.Errno]harness.Fate{
		unix.ECANCELED: harness.FateUnnoticed, unix.EUCLEAN: harness.FateCorruption,
		unix.EALREADY: harness.FateHarmless, unix.ENODATA: harness.FateLeak,
	} {
		if errors.Is(err, errno) {
			return found{fate: fate, words: moduleWords[fate]}, nil
		}
	}
	if err == nil {
		err = errors.New("the module stayed")
	}
	return found{}, fmt.Errorf("load module: %w", err)
}

// moduleWords say what a module noticed.
var moduleWords = map[harness.Fate]string{
	harness.FateUnnoticed:  "nothing noticed the fault",
	harness.FateCorruption: "memory of others has changed, and nothing noticed",
	harness.FateHarmless:   "there was nothing to notice",
	harness.FateLeak:       "user space read a kernel address",
}
