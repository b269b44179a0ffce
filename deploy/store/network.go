// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// silence is how long a server may neither take nor send a byte.
const silence = 45 * time.Second

// A network has the connections of one command. It ends the command's context once none of them has moved a byte for a time; a server that is slow
// but goes on is waited for. Without a connection the time does not run.
type network struct {
	limit time.Duration
	timer *time.Timer
}

// newNetwork returns a network, and a context that it ends, with what is wrong as its cause. Call stop at the end.
func newNetwork(parent context.Context, limit time.Duration) (ctx context.Context, n *network, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	n = &network{limit: limit}
	n.timer = time.AfterFunc(limit, func() { cancel(fmt.Errorf("the server did not answer for %s: is the address right?", limit)) })
	n.timer.Stop()
	return ctx, n, func() {
		n.timer.Stop()
		cancel(nil)
	}
}

// use makes a transport's connections the network's.
func (n *network) use(t *http.Transport) {
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, kind, address string) (net.Conn, error) {
		n.timer.Reset(n.limit)
		c, err := dial(ctx, kind, address)
		return watched{c, n}, err
	}
}

// A watched connection says to its network when a byte moves.
type watched struct {
	net.Conn
	network *network
}

func (c watched) Read(p []byte) (int, error) { return c.moved(c.Conn.Read(p)) }

func (c watched) Write(p []byte) (int, error) { return c.moved(c.Conn.Write(p)) }

func (c watched) moved(n int, err error) (int, error) {
	if n > 0 {
		c.network.timer.Reset(c.network.limit)
	}
	return n, err
}
