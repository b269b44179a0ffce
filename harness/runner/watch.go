// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A watch kills a guest that takes too long over a trial or a phase. The guest ends slow trials itself; the watch is for guests that
// cannot, for instance because their scheduler runs nothing but the guest's heartbeat.
type watch struct {
	cancel   context.CancelCauseFunc
	ctx      context.Context
	timer    *time.Timer
	slow     time.Duration // factor between this machine's time and the guest's
	patience time.Duration // for trials; 0: guestPatience and watchPatience
}

const (
	watchPatience = 30 * time.Second
	// exactSlow is how much of this machine's time a second of counted instructions may take under load.
	exactSlow = 10
	// phaseLimit is how long a set-up, a gate or a taking down may take in a guest.
	phaseLimit = 10 * time.Minute
)

// A lateError names the trial or phase over which a watch killed a guest.
type lateError struct {
	what  string
	limit time.Duration
}

func (e *lateError) Error() string {
	return fmt.Sprintf("the guest was ended: it was still at %s after %v of this machine's time", e.what, e.limit)
}

// newWatch returns a watch and the context that it cancels.
func newWatch(ctx context.Context, target string, patience time.Duration) (*watch, context.Context) {
	w := &watch{slow: 1, patience: patience}
	if target == harness.TargetExact {
		w.slow = exactSlow
	}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w, w.ctx
}

// trial starts the timer for a trial.
func (w *watch) trial(s Step) {
	if w == nil {
		return
	}
	limit := s.Block.limit(guestPatience)*w.slow + watchPatience
	if w.patience > 0 {
		limit = s.Block.limit(w.patience)
	}
	w.set(s.Cell.BenchName(), limit)
}

// phase starts the timer for other work.
func (w *watch) phase(what string) {
	if w != nil {
		w.set(what, phaseLimit*w.slow)
	}
}

func (w *watch) set(what string, limit time.Duration) {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = time.AfterFunc(limit, func() { w.cancel(&lateError{what, limit}) })
}

// end stops the watch after the guest's exit, and returns why the watch killed it; nil if it did not.
func (w *watch) end() error {
	if w == nil {
		return nil
	}
	if w.timer != nil {
		w.timer.Stop()
	}
	defer w.cancel(nil)
	if late, ok := context.Cause(w.ctx).(*lateError); ok {
		return late
	}
	return nil
}
