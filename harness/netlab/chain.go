// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/kxlab/kxlab/harness"
)

// chainFar is the number of the server's further addresses, each with a link and a delay of its own.
const chainFar = 3

// chainRoles are the hosts of a chain, from the sender of the data to its receiver.
var chainRoles = [...]string{"server", "router1", "router2", "client"}

// A Chain is a path through four namespaces in a row: data go from the server over two routers to the client. Links are
// emulated on the routers, never on the sender, whose stack reacts to its own queueing discipline. A Chain is not safe for
// concurrent use, except for Change while flows run.
type Chain struct {
	Server, Router1, Router2, Client *Host
	// ServerAddrs are the server's addresses: the first has the path's round trip time, each other one a round trip time
	// that is longer by Path.Far.
	ServerAddrs []netip.Addr
	ClientAddr  netip.Addr

	hosts []*Host
	links chainLinks
	path  Path
	set   bool // a path is in force
}

// chainLinks are the interface indices of the routers' emulated ends.
type chainLinks struct {
	toClient int   // on router 2: rate, queue, half the delay, losses
	managed  int   // on router 1, towards router 2: rate and queue of a managed path
	toServer []int // on router 1: half the delay, one for each of the server's addresses
}

// NewChain builds the namespaces and links, after removing the objects of dead owners. No path is in force yet: packets pass
// without delay.
func NewChain(ctx context.Context) (*Chain, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("build chain: network namespaces need root: run as root or with sudo")
	}
	if _, err := Clean(ctx); err != nil {
		return nil, fmt.Errorf("remove leftovers: %w", err)
	}
	c := &Chain{}
	if err := c.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("build chain: %w", err), c.Close())
	}
	return c, nil
}

func (c *Chain) build() error {
	h, suffix, err := makeFirst(chainRoles[0], wires, senders)
	for i, host := range []**Host{&c.Server, &c.Router1, &c.Router2, &c.Client} {
		if i > 0 {
			settings := forwarders
			if i == len(chainRoles)-1 {
				settings = senders
			}
			h, err = makeHost(chainRoles[i]+suffix, 0, wires, settings)
		}
		if *host = h; h != nil {
			c.hosts = append(c.hosts, h) // also if incomplete: Close removes it
		}
		if err != nil {
			return err
		}
	}
	return c.wire()
}

// ECN makes the server's sockets request explicit congestion notification, or not. An algorithm that needs it requests it by
// itself; the client accepts it in any case.
func (c *Chain) ECN(request bool) error {
	value := "2"
	if request {
		value = "1"
	}
	return c.Server.Do(func() error { return apply([]setting{{path: "ipv4/tcp_ecn", value: value}}) })
}

// Close removes the chain. It may be called on an incomplete chain and more than once.
func (c *Chain) Close() error {
	var errs []error
	for _, h := range c.hosts {
		errs = append(errs, deleteLinks(h.ns))
	}
	for _, h := range c.hosts {
		errs = append(errs, h.close())
	}
	c.hosts = nil
	return harness.Wrap(errors.Join(errs...), "remove chain")
}
