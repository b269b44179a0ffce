// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"fmt"
	"time"
)

// endless is the limit of an emulator that only delays, packets: more than can ever be under way.
const endless = 1 << 20

// Shape makes the way like p, with empty queues. The kernel must have what emulates it: an error that wraps
// harness.ErrNotSupported says what is missing.
func (c *Chain) Shape(p Path) error {
	if err := p.Check(); err != nil {
		return err
	}
	c.set = false
	if err := c.each(p, func(ifindex int, qs []qdisc) error {
		if err := removeQdisc(ifindex); err != nil {
			return err
		}
		for _, q := range qs {
			if err := q.add(ifindex); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("shape path: %w", err)
	}
	c.path, c.set = p, true
	return nil
}

// Change makes the way like p while packets are under way: none of them is lost by the change. What manages the queue
// stays as it was shaped, and so does whether there is a bottleneck at all.
func (c *Chain) Change(p Path) error {
	if err := p.Check(); err != nil {
		return err
	}
	if !c.set || p.AQM != c.path.AQM || (p.Rate > 0) != (c.path.Rate > 0) || len(p.Far) != len(c.path.Far) {
		return fmt.Errorf("change path: only rate, delay, buffer and loss of a shaped path may change")
	}
	if err := c.each(p, func(ifindex int, qs []qdisc) error {
		for _, q := range qs {
			if err := q.change(ifindex); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("change path: %w", err)
	}
	c.path = p
	return nil
}

// each calls f, in the namespace concerned, for every link that may be emulated, with what shall stand there.
func (c *Chain) each(p Path, f func(ifindex int, qs []qdisc) error) error {
	var there, managed []qdisc
	half := p.RTT / 2
	switch {
	case p.managed():
		managed = []qdisc{tbf(p.Rate), manager(p)}
		there = []qdisc{netem(half, 0, endless, p)}
	case p.Rate > 0:
		there = []qdisc{netem(half, p.Rate, p.limit(), p)}
	case half > 0:
		there = []qdisc{netem(half, 0, endless, Path{Seed: p.Seed})}
	}
	if err := c.Router2.Do(func() error { return f(c.links.toClient, there) }); err != nil {
		return err
	}
	if err := c.Middle.Do(func() error { return f(c.links.managed, managed) }); err != nil {
		return err
	}
	return c.Router1.Do(func() error {
		for i, ifindex := range c.links.toServer {
			var far time.Duration
			if i > 0 && i <= len(p.Far) {
				far = p.Far[i-1]
			}
			var back []qdisc
			if p.RTT-half+far > 0 {
				back = []qdisc{netem(p.RTT-half+far, 0, endless, Path{Seed: p.Seed})}
			}
			if err := f(ifindex, back); err != nil {
				return err
			}
		}
		return nil
	})
}
