// SPDX-License-Identifier: Apache-2.0

package exact

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
)

// An IdleClock counts the idle time of a guest's only CPU (bpf/traffic/idle.bpf.c).
type IdleClock struct {
	coll  *ebpf.Collection
	links []io.Closer
}

// OpenIdleClock starts a clock. On a kernel without the tracepoints the error wraps harness.ErrNotSupported.
func OpenIdleClock() (_ *IdleClock, err error) {
	spec, err := bpf.Open("traffic/idle")
	if err != nil {
		return nil, err
	}
	c := &IdleClock{}
	if c.coll, err = ebpf.NewCollection(spec); err != nil {
		return nil, fmt.Errorf("load idle clock: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	for name, needed := range map[string]bool{"cpu_idle": true, "local_timer_entry": false, "irq_handler_entry": true} {
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: c.coll.Programs[name]})
		switch {
		case errors.Is(err, os.ErrNotExist) && !needed: // not on this architecture
		case errors.Is(err, os.ErrNotExist):
			return nil, harness.Skip("the kernel has no tracepoint %s", name)
		case err != nil:
			return nil, fmt.Errorf("attach idle clock to %s: %w", name, err)
		default:
			c.links = append(c.links, l)
		}
	}
	return c, nil
}

// Total returns the idle time of the CPU since the clock was opened.
func (c *IdleClock) Total() (time.Duration, error) {
	var ns uint64
	if err := c.coll.Variables["total"].Get(&ns); err != nil {
		return 0, fmt.Errorf("read idle clock: %w", err)
	}
	return time.Duration(ns), nil
}

// Close stops the clock.
func (c *IdleClock) Close() error {
	var errs []error
	for _, l := range c.links {
		errs = append(errs, l.Close())
	}
	c.links = nil
	c.coll.Close()
	return errors.Join(errs...)
}
