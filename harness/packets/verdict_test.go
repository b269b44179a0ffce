// SPDX-License-Identifier: Apache-2.0

package packets

import "testing"

// TestUnaccountedPacketsMakeATrialInvalid: more than 0.1 % without a trace, missing or too many.
func TestUnaccountedPacketsMakeATrialInvalid(t *testing.T) {
	const sent = 1_000_000
	for _, test := range []struct {
		unaccounted int64
		valid       bool
	}{{0, true}, {900, true}, {1000, true}, {1100, false}, {-900, true}, {-1100, false}, {400_000, false}} {
		a := Account{Sent: sent, Received: sent - uint64(max(test.unaccounted, 0)), Unaccounted: test.unaccounted}
		if why := a.Verdict(); (why == "") != test.valid {
			t.Errorf("%d of %d packets unaccounted for: verdict %q", test.unaccounted, sent, why)
		}
	}
	if (Account{}).Verdict() == "" || (Account{Sent: sent, Unaccounted: sent}).Verdict() == "" {
		t.Error("a trial counts in which nothing was sent, or nothing arrived")
	}
}
