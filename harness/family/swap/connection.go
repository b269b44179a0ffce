// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf/abi"
)

// A flow is what versions left at a connection.
type flow = abi.SwapFlow

// A connection is a connection at its end.
type connection struct {
	flow
	took  uint64 // ns from the socket to the first message that came back
	unset bool   // the socket option failed: no congestion control has the name
	came  bool   // it opened, and all messages came back
}

// An openConnection is a connection that is open.
type openConnection struct {
	connection
	wire *wire // nil: it did not open
}

// open opens a connection, and sends a message over it. An error is one of this machine.
func (c *connections) open(n uint64) (o *openConnection, err error) {
	began := monotonic()
	o = &openConnection{}
	to := routeAddr()
	if n%2 == 0 {
		to = optionAddr()
	}
	o.wire, err = connect(netip.AddrPortFrom(to, echoPort), func(fd int) error {
		err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // nothing is left in TIME_WAIT
		if err != nil || to == routeAddr() {
			return err
		}
		err = c.way.choose(fd)
		if o.unset = errors.Is(err, unix.ENOENT); o.unset {
			return nil
		}
		return err
	})
	if err != nil {
		if _, ok := fateOf(err); ok {
			return o, nil
		}
		return nil, fmt.Errorf("open connection: %w", err)
	}
	o.came = o.exchange(byte(n))
	o.took = monotonic() - began
	return o, nil
}

// exchange sends a message and reports whether it came back.
func (o *openConnection) exchange(n byte) bool {
	sent, got := bytes.Repeat([]byte{n}, messageBytes), make([]byte, messageBytes)
	if o.wire.write(sent) != nil {
		return false
	}
	_, err := io.ReadFull(o.wire.in, got)
	return err == nil && bytes.Equal(sent, got)
}

// end notes which version served the connection.
func (o *openConnection) end(w *opsWay) (err error) {
	if o.wire != nil {
		o.flow, err = w.served(o.wire.fd)
	}
	return err
}

func (o *openConnection) close() {
	if o.wire != nil {
		_ = unix.Close(o.wire.fd)
	}
}

// tallyOf is the account of connections at their ends, those that opened one after another in their order.
func tallyOf(all []connection) tally {
	t := tally{noun: "connections", sent: uint64(len(all)), seen: make([]abi.SwapSeen, abi.SwapGenerations)}
	n := &t.count
	n.Next = t.sent
	for _, c := range all {
		if c.came {
			n.Packets++
		}
		switch {
		case !c.came:
			n.Missing++
		case c.Hops == 0:
			n.Neither++
		case c.Hops > 1:
			n.Both++
		case c.Generation == 0 || c.Generation >= abi.SwapGenerations:
			n.Alien++
		default:
			g := &t.seen[c.Generation]
			if uint64(c.Generation) < n.Generation {
				n.Back++
			} else if uint64(c.Generation) > n.Generation {
				g.First, g.Last, n.Generation = c.Began, n.Last, uint64(c.Generation)
			}
			g.Packets++
			g.Worst = max(g.Worst, c.took)
			n.Last = c.Began
		}
	}
	return t
}
