// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"fmt"
	"sync"
	"time"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
)

// A book holds what became of numbered requests, as a sink holds what became of packets. It is safe for concurrent use.
type book struct {
	mu     sync.Mutex
	sent   uint64
	count  abi.SwapCount // of answers; Next and Missing are not counted here
	seen   []abi.SwapSeen
	newest uint32 // the highest version that answered
	fates  [fates]uint64
}

// A fate is what became of a request that was not answered.
type fate int

const (
	refused fate = iota // no program listens
	reset               // the connection was closed or reset before the answer
	silent              // no answer came in time
	fates
)

func newBook() *book { return &book{seen: make([]abi.SwapSeen, abi.SwapGenerations)} }

// is reports whether the book is as wanted.
func (b *book) is(wanted func(*book) bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return wanted(b)
}

// send returns the number of a new request, and the highest version that has answered by then.
func (b *book) send() (number uint64, newest uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent++
	return b.sent - 1, b.newest
}

// fail notes that a request was not answered.
func (b *book) fail(f fate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fates[f]++
}

// answer notes an answer: the version that it names (0: none), whether there were several, which version had answered when the request was
// sent, and how long the client waited, ns.
func (b *book) answer(g uint32, several bool, before uint32, took uint64) {
	now := monotonic()
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &b.count
	c.Packets++
	switch {
	case several:
		c.Both++
		return
	case g == 0:
		c.Neither++
		return
	case g >= abi.SwapGenerations:
		c.Alien++
		return
	case g < before:
		c.Back++
	}
	s := &b.seen[g]
	if g > b.newest {
		s.First, s.Last = now, c.Last
		b.newest = g
	}
	s.Packets++
	s.Worst = max(s.Worst, took)
	c.Last = now
}

// tally is the account of the requests, once no client sends any more.
func (b *book) tally(changes []change) tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.count
	c.Next, c.Missing, c.Generation = b.sent, b.sent-c.Packets, uint64(b.newest)
	return tally{noun: "requests", sent: b.sent, count: c, seen: b.seen, changes: changes}
}

// metrics are those of requests alone: answers in the time in which the clients sent, and what became of the requests without one.
func (b *book) metrics(ran time.Duration) []harness.Metric {
	share := func(f fate) float64 { return float64(b.fates[f]) / float64(max(b.sent, 1)) }
	return []harness.Metric{
		{Unit: "req/s", Value: float64(b.count.Packets) / ran.Seconds()},
		{Unit: "refused-share", Value: share(refused)},
		{Unit: "reset-share", Value: share(reset)},
	}
}

// String says what became of the requests so far.
func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("of %d requests %d were answered, %d refused, %d reset, %d without an answer in %v; the newest version that answered is %d",
		b.sent, b.count.Packets, b.fates[refused], b.fates[reset], b.fates[silent], answerTime, b.newest)
}
