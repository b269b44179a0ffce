// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A watch ends a guest that does not come to the end of what it does, with the name of that. The guest ends a trial that takes too
// long itself; this is for a guest that cannot, because its scheduler runs nothing but the beats by which the guest says that it lives.
type watch struct {
	cancel   context.CancelCauseFunc
	ctx      context.Context
	timer    *time.Timer
	slow     time.Duration // how much longer than in the guest a thing may take here
	patience time.Duration // for trials, instead of the usual; 0: the usual
}

const (
	watchPatience = 30 * time.Second
	// exactSlow is how much of our time a second of counted instructions may take on a busy machine.
	exactSlow = 10
	// phaseLimit is how long a set-up, a gate or a taking down may take in a guest.
	phaseLimit = 10 * time.Minute
)

// A lateError is why a watch ended a guest.
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

// trial begins the time of a trial.
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

// phase begins the time of something else.
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

// end ends the watch, when the guest is gone, and returns why it had to be ended; nil if it had not.
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
