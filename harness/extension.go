// SPDX-License-Identifier: Apache-2.0

package harness

import "io"

// An Extension is a variant in force, of whatever family. What a family needs beyond this it asks for by an interface of
// its own: Balancer for load balancers.
type Extension interface {
	// InForce returns an error if the variant is no longer what the kernel runs.
	InForce() error
	// Counters are the variant's own counts, for diagnosis and for locating drops, never for results. Keys of drops
	// begin with "drop_".
	Counters() (map[string]uint64, error)
	io.Closer
}
