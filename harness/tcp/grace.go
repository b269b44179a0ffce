// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"time"

	"github.com/kxlab/kxlab/harness/sys"
)

// A grace makes limits of time longer where the machine is slow (sys.Deadline). Nothing is done before a limit has passed, so that an
// exchange in time costs what it did.
type grace struct {
	deadline time.Time // that has passed
	wait     *sys.Deadline
}

// over tells whether a wait that began limit before a deadline is over.
func (g *grace) over(deadline time.Time, limit time.Duration) bool {
	if time.Now().Before(deadline) {
		return false
	}
	if !g.deadline.Equal(deadline) {
		g.deadline, g.wait = deadline, sys.DeadlineSince(deadline.Add(-limit), limit)
	}
	return g.wait.Over()
}
