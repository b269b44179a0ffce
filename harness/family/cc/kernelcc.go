// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// A kernelCC is one of the kernel's own congestion controls. The lab loads no module for it: an algorithm that the
// kernel does not list needs a guest.
type kernelCC struct {
	name string
}

// newKernelCC returns the algorithm with the variant's name.
func newKernelCC(v harness.Variant, at harness.Site) (CongestionControl, error) {
	if v.Object != "" || len(v.Knobs) != 0 {
		return nil, errors.New("the kernel's own congestion controls take no object and no knobs: remove them from the variant")
	}
	c := &kernelCC{name: cmp.Or(v.Algorithm, v.Name)}
	names, err := availableCC()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, c.name) {
		return nil, harness.Skip("this kernel does not list %s (available: %s); it needs the module tcp_%s: run in a guest",
			c.name, strings.Join(names, ", "), c.name)
	}
	if at.NS != "" {
		err = sys.InNS(at.NS, func() error { return selectCC(c.name) })
	}
	return c, err
}

// selectCC selects the algorithm on a socket in the calling thread's network namespace.
func selectCC(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name); err != nil {
		return fmt.Errorf("select congestion control %s: %w", name, err)
	}
	return nil
}

func (c *kernelCC) Algorithm() string { return c.name }

func (c *kernelCC) Replace(context.Context, harness.Variant) error {
	return harness.Skip("%s is the kernel's own and cannot be replaced", c.name)
}

func (c *kernelCC) InForce() error {
	if err := checkListed(c.name); err != nil {
		return fmt.Errorf("check %s: %w", c.name, err)
	}
	return nil
}

func (c *kernelCC) Counters() (map[string]uint64, error) { return nil, nil }

func (c *kernelCC) Close() error { return nil }
