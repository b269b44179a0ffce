// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
)

// chainFar is how many further addresses the server has, each with a link and a delay of its own.
const chainFar = 3

// chainRoles are the hosts of a chain, from the sender of the data to its receiver.
var chainRoles = [...]string{"server", "router1", "middle", "router2", "client"}

// A Chain is a way through five namespaces in a row: data go from the server over two routers, with one between them, to
// the client. Links are emulated on the routers, never on the sender, whose stack would notice. It is not safe for
// concurrent use, but for Change while flows run.
type Chain struct {
	Server, Router1, Middle, Router2, Client *Host
	// ServerAddrs are the server's addresses: the first is reached over the path's round trip, each other one over a
	// round trip that is longer by Path.Far.
	ServerAddrs []netip.Addr
	ClientAddr  netip.Addr

	hosts []*Host
	links chainLinks
	path  Path
	set   bool // a path is in force
}

// chainLinks are the interface indices of the routers' ends where something is emulated.
type chainLinks struct {
	toClient int   // on router 2: rate, queue, half the delay, losses
	managed  int   // on the middle one, towards router 2: rate and queue where something manages it
	toServer []int // on router 1: half the delay, one for each of the server's addresses
}

// NewChain builds the namespaces and links, after removing what dead owners left. No path is in force yet: packets pass
// at once.
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
	suffix := ""
	for n := 2; ; n++ {
		h, err := c.host(chainRoles[0]+suffix, wires, senders)
		if err == nil {
			c.Server = h
			break
		}
		if !errors.Is(err, os.ErrExist) || n > 100 {
			return err
		}
		suffix = fmt.Sprintf(".%d", n)
	}
	for i, host := range []**Host{&c.Router1, &c.Middle, &c.Router2, &c.Client} {
		settings := forwarders
		if i == 3 {
			settings = senders
		}
		h, err := c.host(chainRoles[i+1]+suffix, wires, settings)
		if err != nil {
			return err
		}
		*host = h
	}
	return c.wire()
}

// host makes a namespace and remembers it, even if it is half made.
func (c *Chain) host(role string, settings ...[]setting) (*Host, error) {
	h, err := makeHost(role, 0, settings...)
	if h != nil {
		c.hosts = append(c.hosts, h)
	}
	return h, err
}

// ECN lets the server's sockets ask for explicit congestion notification, or not. An algorithm that needs it asks by
// itself; the client agrees in any case.
func (c *Chain) ECN(ask bool) error {
	value := "2"
	if ask {
		value = "1"
	}
	return c.Server.Do(func() error { return apply([]setting{{path: "ipv4/tcp_ecn", value: value}}) })
}

// Close takes the chain away. It may be called on a half-built chain and more than once.
func (c *Chain) Close() error {
	var errs []error
	for _, h := range c.hosts {
		errs = append(errs, deleteLinks(h.ns))
	}
	for _, h := range c.hosts {
		errs = append(errs, h.close())
	}
	c.hosts = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove chain: %w", err)
	}
	return nil
}
