// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// A queue admits so many at a time: those of the least rank first, and of one rank in the order in which they came.
type queue struct {
	mu      sync.Mutex
	free    int
	waiting []*waiter // by rank
}

// A waiter waits until its channel is closed.
type waiter struct {
	rank     int
	admitted chan struct{}
}

func newQueue(places int) *queue { return &queue{free: places} }

// enter waits for a place. The returned function gives it back.
func (q *queue) enter(ctx context.Context, rank int) (leave func(), err error) {
	w := &waiter{rank, make(chan struct{})}
	q.mu.Lock()
	at, _ := slices.BinarySearchFunc(q.waiting, rank+1, func(w *waiter, r int) int { return cmp.Compare(w.rank, r) })
	q.waiting = slices.Insert(q.waiting, at, w)
	q.admit()
	q.mu.Unlock()
	select {
	case <-w.admitted:
		return q.leave, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, w); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	} else { // admitted meanwhile
		q.free++
		q.admit()
	}
	return nil, ctx.Err()
}

func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free++
	q.admit()
}

// admit admits whom there is a place for. The lock is held.
func (q *queue) admit() {
	for q.free > 0 && len(q.waiting) > 0 {
		close(q.waiting[0].admitted)
		q.waiting, q.free = q.waiting[1:], q.free-1
	}
}
