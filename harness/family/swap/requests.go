// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/sys"
)

// The clients: each waits after an answer, so that the share of requests that an interruption hits is the share of time which it takes.
const (
	shortClients = 2 // a connection for each request
	keptClients  = 2 // one connection for all requests
	shortPause   = 200 * time.Microsecond
	keptPause    = time.Millisecond
	// gateRequests and gateExactRequests are those of the gate.
	gateRequests      = 1000
	gateExactRequests = 200
	// inForceTime is the longest time until a version answers. One that does not is wrong.
	inForceTime = 20 * time.Second
	// steadyAnswers is how many successive answers show that no older version answers any more.
	steadyAnswers = 20
	// lookAnswers is the interval of looks at the answers.
	lookAnswers = 100 * time.Microsecond
)

// requests are numbered HTTP requests of the segment's client to a program, over short connections and over connections that are kept.
type requests struct {
	client *netlab.Host
	host   *netlab.Host
	way    *answerWay
	exact  bool
	book   *book
}

func (s *stage) openRequests(m *member, w *answerWay) *requests {
	return &requests{client: s.segment.Client, host: m.host, way: w, exact: s.exact, book: newBook()}
}

func (r *requests) close() error { return nil }

// steady returns an error unless each request is answered once, by version 1.
func (r *requests) steady(ctx context.Context) error {
	n := uint64(gateRequests)
	if r.exact {
		n = gateExactRequests
	}
	_, err := r.during(ctx, func(ctx context.Context) error {
		return r.await(ctx, func(b *book) bool { return b.sent >= n })
	})
	if err != nil {
		return err
	}
	t := r.book.tally(nil)
	if why := t.fault(1); why != "" {
		return errors.New(why)
	}
	return nil
}

func (r *requests) measure(ctx context.Context, w way, n int) (harness.Result, error) {
	var changes []change
	ran, err := r.during(ctx, func(ctx context.Context) (err error) {
		changes, err = replaceEach(ctx, w, n, func(ctx context.Context, g uint32) error {
			err := r.await(ctx, func(b *book) bool { return b.newest >= g })
			return harness.Wrap(err, "version %d", g)
		})
		return err
	})
	if err != nil {
		return harness.Result{}, err
	}
	if err := w.InForce(); err != nil {
		return harness.Result{}, err
	}
	t := r.book.tally(changes)
	t.oneClock = r.exact
	out := t.result()
	out.Measured = ran
	out.Metrics = append(r.book.metrics(ran), without(out.Metrics, "full-share", "starved-share")...) // there is no ring, and each version has answered
	return out, nil
}

// during has the clients send requests while f runs on a thread of its own in the host's namespace. The clients begin when version 1 alone
// answers, and f when it has answered them. The time returned is that in which the clients sent.
func (r *requests) during(ctx context.Context, f func(ctx context.Context) error) (ran time.Duration, err error) {
	if err := r.settle(ctx); err != nil {
		return 0, err
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var halt atomic.Bool
	defer context.AfterFunc(sending, func() { halt.Store(true) })()
	var clients sync.WaitGroup
	short, kept := shortClients, keptClients
	if r.exact {
		short, kept = 1, 1
	}
	failed := make(chan error, short+kept)
	for i := range short + kept {
		clients.Go(func() {
			err := r.inClient(func() error { return r.newAsker(i >= short).run(&halt) })
			if err != nil {
				failed <- err
				stop()
			}
		})
	}
	begin := time.Now()
	sys.OnThread(func() {
		err = r.host.Do(func() error {
			if err := r.await(sending, func(b *book) bool { return b.newest > 0 }); err != nil {
				return err
			}
			return f(sending)
		})
	})
	stop()
	clients.Wait()
	ran = time.Since(begin)
	select {
	case err = <-failed:
	default:
	}
	return ran, err
}

// inClient runs f on a thread of its own in the client's namespace.
func (r *requests) inClient(f func() error) error { return onThread(r.client, f) }

// onThread runs f on a thread of its own in a host's namespace. No signal interrupts its system calls.
func onThread(h *netlab.Host, f func() error) (err error) {
	sys.OnThread(func() {
		err = h.Do(func() error {
			if err := sys.BlockSignals(); err != nil {
				return err
			}
			return f()
		})
	})
	return err
}

// newAsker returns a client, which keeps its connection or not.
func (r *requests) newAsker(keep bool) *asker {
	return &asker{to: r.way.listen, keep: keep, book: r.book}
}

// settle waits until version 1 alone answers: workers of versions of an earlier trial may still end.
func (r *requests) settle(ctx context.Context) error {
	return r.inClient(func() error {
		in := 0
		for begin := time.Now(); in < steadyAnswers; time.Sleep(shortPause) {
			a := &asker{to: r.way.listen, book: newBook()}
			if in++; a.ask() != nil || a.book.newest != 1 {
				in = 0
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if time.Since(begin) > inForceTime {
				return r.way.program.Explain(fmt.Errorf("version 1 does not answer at %s: %s", r.way.listen, a.book))
			}
		}
		return nil
	})
}

// await waits until the book is as wanted.
func (r *requests) await(ctx context.Context, wanted func(*book) bool) error {
	for begin := time.Now(); ; time.Sleep(lookAnswers) {
		if r.book.is(wanted) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(begin) > inForceTime {
			return r.way.program.Explain(fmt.Errorf("it does not answer requests: %s", r.book))
		}
	}
}
