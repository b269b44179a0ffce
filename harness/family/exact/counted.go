// SPDX-License-Identifier: Apache-2.0

package exact

import (
	"errors"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/mark"
	"github.com/kxlab/kxlab/harness/sys"
)

// End closes a window that mark.Begin opened, and says what it was: see Describe. A trial that fails may leave a window open.
func End(c *harness.Counted, w harness.CountedWindow) {
	mark.End()
	Describe(c, w)
}

// Describe says what a window was that is closed: which unit of work, and which programs are in the kernel's memory now. Nothing of
// it is counted. Without a c it does nothing.
func Describe(c *harness.Counted, w harness.CountedWindow) {
	if c == nil {
		return
	}
	c.Windows = append(c.Windows, w)
	programs, err := sys.BPFSymbols()
	modules, merr := sys.Modules()
	if err = errors.Join(err, merr); err != nil {
		c.Failed = err.Error()
	}
	c.Modules = modules
	for _, p := range programs { // a later program may lie where one was that is gone
		c.Programs = slices.DeleteFunc(c.Programs, func(old harness.Symbol) bool { return old.Start == p.Start })
		c.Programs = append(c.Programs, p)
	}
}
