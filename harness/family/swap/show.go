// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"fmt"
	"time"
)

// inFlight is more packets than rings and queues on the way to the sink hold: 256 in a ring of a veth link, 1,000 in a backlog.
const inFlight = 4096

// shows waits until version g shows in the load, at most for patience. One that does not is wrong if more than flight packets, or whatever
// noun says, came meanwhile: some of these were sent after the replacement. Otherwise the generator did not run, and the version was starved
// of packets. at looks at the load: whether the version has shown, and how many packets have come.
func shows(ctx context.Context, g uint32, noun string, flight uint64, at func() (shown bool, came uint64, err error)) error {
	_, before, err := at()
	if err != nil {
		return err
	}
	for begin := time.Now(); ; time.Sleep(look) {
		past := time.Since(begin)
		shown, came, err := at()
		switch {
		case err != nil || shown:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case past > patience && came > before+flight:
			return fmt.Errorf("version %d did not show in %v, and %d %s came: it is not in force, or its program does not stamp its generation", g, patience, came-before, noun)
		case past > patience:
			return nil
		}
	}
}
