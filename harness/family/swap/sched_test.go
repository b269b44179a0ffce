// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// TestSched: replacing a scheduler leaves requests without one, and no kernel here updates one in force.
func TestSched(t *testing.T) {
	if os.Getenv(waysEnv) == "" {
		t.Skip("runs in a guest, where TestReplaceInGuest starts it")
	}
	s := prepare(t, "1", of("sched-detach"), of("sched-link"))
	if err := s.Absent()["sched-link"]; !errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), "does not replace operations in place") {
		t.Errorf("update of a scheduler: %v", err)
	}
	if err := s.Check(t.Context(), "sched-detach"); err != nil {
		t.Error(err)
	}
	r := replace(t, s, "sched-detach", 4)
	for _, unit := range []string{"neither-share", "p50-call-sec", "p50-force-sec", "p50-gap-sec", "p50-latency-sec"} {
		if !(metric(r, unit) > 0) {
			t.Errorf("%s is %v, want more than 0", unit, metric(r, unit))
		}
	}
	if lost := metric(r, "lost-share"); lost != 0 {
		t.Errorf("%v of the requests failed", lost)
	}
}

// TestGuestMethods: a host is told the other targets, whatever its kernel has.
func TestGuestMethods(t *testing.T) {
	for _, method := range (Family{}).GuestMethods() {
		_, err := methods(nil, 1, false)[method](t.Context(), of(method), harness.Site{})
		if !errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), "target exact or vm") {
			t.Errorf("%s: %v", method, err)
		}
	}
}
