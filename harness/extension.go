// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
)

// An Extension is a variant in force, of any family. Families extend it by interfaces of their own.
type Extension interface {
	// InForce returns an error if the kernel no longer runs the variant.
	InForce() error
	// Counters are the variant's own counts, for diagnosis and for locating drops, never for results. Keys of drops
	// begin with "drop_".
	Counters() (map[string]uint64, error)
	io.Closer
}

// A Method puts a variant in force at a site. After an error nothing of the variant is left there; an error that wraps
// ErrNotSupported means that this machine lacks something.
type Method[T Extension] func(ctx context.Context, v Variant, at Site) (T, error)

// Methods is a family's table of what Variant.Attach may name.
type Methods[T Extension] map[string]Method[T]

// Names lists the methods, sorted.
func (m Methods[T]) Names() []string { return slices.Sorted(maps.Keys(m)) }

// Put puts the variant in force by the method that it names. Its errors wrap ErrSetup, unless ctx is done.
func (m Methods[T]) Put(ctx context.Context, v Variant, at Site) (T, error) {
	var none T
	if err := Known("attach method", v.Attach, m.Names()); err != nil {
		return none, SetupError(fmt.Errorf("put variant %s: %w", v.Name, err))
	}
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("put variant %s: %w", v.Name, err)
	}
	e, err := m[v.Attach](ctx, v, at)
	if err == nil {
		return e, nil
	}
	err = fmt.Errorf("put variant %s: %w", v.Name, err)
	if ctx.Err() == nil { // an interrupted set-up says nothing about the variant
		err = SetupError(err)
	}
	return none, err
}

// Proto is a transport protocol by its IP number.
type Proto uint8

// The transport protocols that are balanced.
const (
	TCP Proto = 6
	UDP Proto = 17
)

// A Site is the place where a variant is put in force: a balancer with one link on a segment, which it shares with
// the clients and the reals, so that packets come in and leave by the same link.
type Site struct {
	NS           string // path of the network namespace
	Link         string // name of the link inside it
	Ifindex      int
	MAC          net.HardwareAddr
	Addr4, Addr6 netip.Prefix // the balancer's own addresses
	MTU          int          // of the link, bytes; what reals and clients agreed on is ClientMTU
	// ClientMTU is the largest IP packet that clients and reals exchange, bytes. Encapsulation comes on top.
	ClientMTU int
	// Cgroup is the path of the cgroup v2 in which the clients run (class socket).
	Cgroup string
	Seed   uint64
}
