// SPDX-License-Identifier: Apache-2.0

// Package lb is the family of load balancers: the stage, on which every member stands in a namespace of its own on one
// segment with the same services, and the workloads that are driven through it.
//
// A workload sees a balancer and its class, never which variant is in force. It decides nothing about order, repeats or
// validity across trials: package runner does.
//
// Rooms: service has the words (services, backends, balancers); control turns services into the maps of BPF programs;
// kernel puts the kernel's own balancers in force; conform is the correctness gate.
package lb
