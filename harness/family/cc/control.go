// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"

	"github.com/kxlab/kxlab/harness"
)

// A congestionControl is a congestion control in force: sockets can ask for it by its name. It is not safe for concurrent
// use.
type congestionControl interface {
	harness.Extension
	// Algorithm is the name for TCP_CONGESTION. One of the lab's own is unique to this instance and begins with kx_.
	Algorithm() string
	// Replace puts a variant in the place of this one, under the same name, while flows run. New connections get the new
	// one; what is connected keeps the old one until it asks for the name again. After an error the old one is in force.
	// The kernel's own cannot be replaced: an error that wraps ErrNotSupported.
	Replace(ctx context.Context, v harness.Variant) error
}
