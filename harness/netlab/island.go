// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
)

// An Island is a network namespace with a loopback link and nothing else: its processes reach no other namespace, and Clean
// ends those that a crash leaves there.
type Island struct{ host *Host }

// NewIsland makes an island.
func NewIsland() (*Island, error) {
	h, _, err := makeFirst("island")
	if err != nil {
		if h != nil {
			err = errors.Join(err, h.close())
		}
		return nil, fmt.Errorf("make island: %w", err)
	}
	return &Island{h}, nil
}

// Do runs f on a locked thread inside the island. Sockets and processes made in f stay there.
func (i *Island) Do(f func() error) error { return i.host.Do(f) }

// Close removes the island. Its processes must have ended.
func (i *Island) Close() error { return i.host.close() }
