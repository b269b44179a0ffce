// SPDX-License-Identifier: Apache-2.0

// Package control is the control plane of the BPF balancers: it turns services into rings of backends, writes these to the
// maps of bpf/include/lb.h, and holds the programs in force.
//
// Pure: services to rings (services.go, rings.go, reals.go, lines.go) and backends to slots (ring.go, maglev.go,
// rendezvous.go). In the kernel: lbmaps.go, flows.go, balancer.go. It knows no site beyond what a hook needs, and it sends
// no traffic.
package control
