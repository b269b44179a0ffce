// SPDX-License-Identifier: Apache-2.0

// Package lb is the family of load balancers: the stage, on which each member has its own namespace on one segment
// and the same services, and the workloads.
// A workload sees a balancer and its class, not the variant. Package runner decides order, repeats and validity across trials.
// Subpackages: service has the types (services, backends, balancers); control turns services into the maps of BPF
// programs; kernel puts the kernel's own balancers in force; conform is the correctness gate.
package lb
