// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"os"
)

// An Island is a network namespace with a loopback link and nothing else: servers and clients that meet inside it reach
// nobody and disturb no one, and what is left there after a crash is found by Clean and ended.
type Island struct{ host *Host }

// NewIsland makes one.
func NewIsland() (*Island, error) {
	for n := 1; ; n++ {
		h, err := makeHost(fmt.Sprintf("island.%d", n), 0)
		if errors.Is(err, os.ErrExist) {
			continue // another of this process
		}
		if err != nil {
			if h != nil {
				err = errors.Join(err, h.close())
			}
			return nil, fmt.Errorf("make island: %w", err)
		}
		return &Island{h}, nil
	}
}

// Do runs f on a locked thread inside the island. Sockets and processes made in f stay there.
func (i *Island) Do(f func() error) error { return i.host.Do(f) }

// Close removes it. Processes inside it must have ended.
func (i *Island) Close() error { return i.host.close() }
