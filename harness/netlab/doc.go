// SPDX-License-Identifier: Apache-2.0

// Package netlab builds and removes the networks of the lab: one layer-2 segment of network namespaces, with a
// client, real servers and one balancer host for each variant, and chains of namespaces.
//
// It owns namespaces, links, addresses, neighbours, routes, sysctls, offloads, receive threads and cgroups, and removes
// those of dead runs. It does not put a variant in force (a family does), sends no traffic (packets, tcp) and measures
// nothing but the CPU time of a receive thread.
//
// A Segment is a bridge in a namespace called fabric. Every other host is a namespace with one veth: its inside end is
// called eth0, its other end is a port of the bridge. All neighbours and bridge entries are permanent, so that no
// broadcast, resolution or ageing happens during a measurement. Checksum and segmentation offloads are off
// everywhere, and every veth end but a balancer's eth0 carries an XDP program from the start, so that frames sent by
// XDP arrive everywhere and no variant has more offloads than another.
//
// A Chain is four namespaces in a row, for congestion control; its routers emulate a Path (rate, queue, delay, loss,
// marking). chain.go and wire.go build it, path.go defines a path (pure), shape.go puts it in force through the queueing
// disciplines of qdisc.go.
//
// The package makes and changes nothing in the caller's network namespace: links are made inside the lab's namespaces. Every
// object has its owner in its name, see package owner.
package netlab
