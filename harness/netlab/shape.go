// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"time"
)

// endless is the limit of a netem that only delays, packets: more than are ever under way.
const endless = 1 << 20

// Shape puts path p in force, with empty queues. If the kernel lacks a queueing discipline, the error wraps
// harness.ErrNotSupported.
func (c *Chain) Shape(p Path) error {
	if err := p.Check(); err != nil {
		return err
	}
	c.set = false
	if err := c.each(p, removeQdisc, qdisc.add); err != nil {
		return fmt.Errorf("shape path: %w", err)
	}
	c.path, c.set = p, true
	return nil
}

// Change puts path p in force while packets are in flight, without losing any of them. The AQM and the existence of a
// bottleneck must stay as shaped.
func (c *Chain) Change(p Path) error {
	if err := p.Check(); err != nil {
		return err
	}
	if !c.set || p.AQM != c.path.AQM || (p.Rate > 0) != (c.path.Rate > 0) || len(p.Far) != len(c.path.Far) {
		return errors.New("change path: only rate, delay, buffer and loss of a shaped path may change")
	}
	if err := c.each(p, func(int) error { return nil }, qdisc.change); err != nil {
		return fmt.Errorf("change path: %w", err)
	}
	c.path = p
	return nil
}

// each calls begin for every link that may be emulated, and then put for every discipline that p has there, both in the
// namespace of the link.
func (c *Chain) each(p Path, begin func(ifindex int) error, put func(q qdisc, ifindex int) error) error {
	at := func(h *Host, ifindex int, qs []qdisc) error {
		return h.Do(func() error {
			err := begin(ifindex)
			for i := 0; i < len(qs) && err == nil; i++ {
				err = put(qs[i], ifindex)
			}
			return err
		})
	}
	var forward, managed []qdisc
	oneWay := p.RTT / 2
	switch {
	case p.managed():
		managed = []qdisc{tbf(p.Rate), manager(p)}
		forward = []qdisc{netem(oneWay, 0, endless, p)}
	case p.Rate > 0:
		forward = []qdisc{netem(oneWay, p.Rate, p.limit(), p)}
	case oneWay > 0:
		forward = []qdisc{netem(oneWay, 0, endless, Path{Seed: p.Seed})}
	}
	if err := at(c.Router2, c.links.toClient, forward); err != nil {
		return err
	}
	if err := at(c.Router1, c.links.managed, managed); err != nil {
		return err
	}
	for i, ifindex := range c.links.toServer {
		var far time.Duration
		if i > 0 && i <= len(p.Far) {
			far = p.Far[i-1]
		}
		var back []qdisc
		if delay := p.RTT - oneWay + far; delay > 0 {
			back = []qdisc{netem(delay, 0, endless, Path{Seed: p.Seed})}
		}
		if err := at(c.Router1, ifindex, back); err != nil {
			return err
		}
	}
	return nil
}
