// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// TestQueue: who waits is admitted by rank, and of one rank in turn; who gave up takes no place.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		leave, err := q.enter(t.Context(), 9)
		if err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		go func() {
			if _, err := q.enter(gone, 0); !errors.Is(err, context.Canceled) {
				t.Errorf("a wait that was cancelled: %v", err)
			}
		}()
		var mu sync.Mutex
		var order []string
		for _, w := range []struct {
			name string
			rank int
		}{{"b0", 2}, {"gate", 0}, {"a0", 2}, {"b1", 4}, {"first", 1}} {
			go func() {
				leave, err := q.enter(t.Context(), w.rank)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, w.name)
				mu.Unlock()
				leave()
			}()
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		leave()
		synctest.Wait()
		if want := []string{"gate", "first", "b0", "a0", "b1"}; !slices.Equal(order, want) {
			t.Errorf("%q, want %q", order, want)
		}
	})
}
