// SPDX-License-Identifier: Apache-2.0

// Package netlab builds and removes the networks of the lab: one layer-2 segment of network namespaces, with a
// client, real servers and one balancer host for each variant, and chains of namespaces.
//
// It owns namespaces, links, addresses, neighbours, routes, sysctls, offloads, receive threads and cgroups, and the
// finding and removing of what a dead run left. It does not put a variant in force (a family does), sends no traffic
// (packets, tcp) and measures nothing but the CPU time of a receive thread.
//
// A segment is a bridge in a namespace called fabric. Every other host is a namespace with one veth: its inside end is
// called eth0, its other end is a port of the bridge. All neighbours and bridge entries are permanent, so that no
// broadcast, resolution or ageing happens while something is measured. Checksum and segmentation offloads are off
// everywhere, and every veth end but a balancer's eth0 carries an XDP program from the start, so that frames sent by
// XDP arrive everywhere and no variant has more offloads than another.
//
// A Chain is the other place: five namespaces in a row, on whose routers a Path is emulated (rate, queue, delay, loss,
// marking), for congestion control. chain.go and wire.go build it, path.go says what a path is (pure), shape.go puts it in
// force through the disciplines of qdisc.go.
//
// Nothing is ever made or changed in the namespace the caller lives in: links are created inside the lab's namespaces.
// Whatever is made carries the owner's process and its start time in its name, see ownerName.
package netlab
