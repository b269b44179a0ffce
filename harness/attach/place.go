// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"io"

	"github.com/kxlab/kxlab/harness"
)

// A place is a program attached to a hook. It stays there until Close, and no longer than it is referenced.
type place interface {
	io.Closer
	// InForce returns an error if the kernel does not run this program there any more.
	InForce() error
}

// A hook attaches the programs of a loaded object at a site. On error it returns what is attached already.
type hook func(o *object, at harness.Site) ([]place, error)
