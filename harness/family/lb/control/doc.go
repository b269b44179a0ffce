// SPDX-License-Identifier: Apache-2.0

// Package control is the control plane of the BPF balancers: it computes rings of backends, writes them to the maps of
// bpf/include/lb.h, and keeps the programs attached. It sends no traffic.
//
// Pure: services to rings (services.go, rings.go, reals.go, lines.go) and backends to slots (ring.go, maglev.go,
// rendezvous.go). In the kernel: lbmaps.go, flows.go, balancer.go.
package control
