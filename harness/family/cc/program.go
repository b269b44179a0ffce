// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	programs "github.com/kxlab/kxlab/harness/command"
)

// unlistPatience is the longest time until the kernel forgets algorithms after the programs have ended: it releases what a process held a moment
// after the process's end.
const unlistPatience = 2 * time.Second

// A programCC is an algorithm that a program of the user's made available, such as a module's. It has the variant's name, and is in force while
// the kernel lists that name and the program's processes live, if it left any.
type programCC struct {
	CongestionControl                   // the listed algorithm, as one of the kernel's own; nil: not listed yet
	program           *programs.Command // nil: closed
	made              []string          // what the kernel lists since up ran, without the lab's own
	failed            bool              // up failed: program.Close does not run down
}

// newProgramCC runs the program of a variant, and returns when the kernel lists the algorithm. Note: a program that stays has to say that it is
// ready. The list alone would take a script that is about to end for a program that stays.
func newProgramCC(ctx context.Context, v harness.Variant, at harness.Site) (_ CongestionControl, err error) {
	name := cmp.Or(v.Algorithm, v.Name)
	before, err := availableCC()
	switch {
	case err != nil:
		return nil, err
	case v.Command == nil:
		return nil, errors.New("attach: command without a command")
	case slices.Contains(before, name):
		return nil, fmt.Errorf("the kernel lists %s before the program up runs: remove its module, or use attach: tcp-cc", name)
	}
	c := &programCC{}
	if c.program, err = programs.New(*v.Command, programs.Options{NS: at.NS}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	err = c.program.Up(ctx)
	c.failed = err != nil
	now, listErr := availableCC()
	c.made = slices.DeleteFunc(now, func(name string) bool { return slices.Contains(before, name) || strings.HasPrefix(name, ccPrefix) })
	switch err := errors.Join(err, listErr); {
	case err != nil:
		return nil, err
	case !slices.Contains(c.made, name):
		return nil, fmt.Errorf("its program up is ready, and the kernel does not list %s (new: %s): the variant's name must be the algorithm's",
			name, cmp.Or(strings.Join(c.made, ", "), "none"))
	}
	if c.CongestionControl, err = newKernelCC(v, at); err != nil {
		return nil, err
	}
	return c, nil
}

// InForce returns an error if the program's processes have ended or the kernel no longer lists the name.
func (c *programCC) InForce() error {
	if c.program == nil {
		return errClosed
	}
	if err := c.program.Fault(); err != nil {
		return err
	}
	return c.CongestionControl.InForce()
}

// Close runs down and ends the programs, and returns when the kernel no longer lists what they made. A second call does nothing.
func (c *programCC) Close() error {
	if c.program == nil {
		return nil
	}
	var errs []error
	if c.failed && len(c.made) > 0 && c.program.Has("down") {
		errs = append(errs, c.program.Run(context.Background(), "down"))
	}
	errs = append(errs, c.program.Close())
	c.program = nil
	for deadline := time.Now().Add(unlistPatience); ; time.Sleep(10 * time.Millisecond) {
		now, err := availableCC()
		left := slices.DeleteFunc(now, func(name string) bool { return !slices.Contains(c.made, name) })
		if err != nil || len(left) == 0 {
			return errors.Join(append(errs, err)...)
		}
		if time.Now().After(deadline) {
			return errors.Join(append(errs, fmt.Errorf("the kernel still lists %s: the program down has to remove what up made", strings.Join(left, ", ")))...)
		}
	}
}
