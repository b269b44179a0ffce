// SPDX-License-Identifier: Apache-2.0

// Package host reads the facts of this machine, for the record of a run, and probes its capabilities, for doctor, with the
// remedy for each missing one.
//
// Reading facts changes nothing. A probe uses the capability, in a temporary network namespace if necessary; it never
// compares version numbers. The package does not know the variants: doctor's rows name attach methods and workloads.
// Neighbours: record stores the facts, cmd prints them.
package host
