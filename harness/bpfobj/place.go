// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"io"

	"github.com/kxlab/kxlab/harness"
)

// A Place is a program attached to a hook. It stays there until Close, and no longer than it is referenced.
type Place interface {
	io.Closer
	// InForce returns an error if the kernel does not run this program there any more.
	InForce() error
}

// A Hook attaches the programs of a loaded object at a site. On error it returns what is attached already.
type Hook func(o *Object, at harness.Site) ([]Place, error)
