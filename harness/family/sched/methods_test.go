// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"errors"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// TestOnHost: a host is told the other targets, whatever its kernel has.
func TestOnHost(t *testing.T) {
	for _, method := range (Family{}).GuestMethods() {
		_, err := methods(nil, false)[method](t.Context(), harness.Variant{Name: "v", Attach: method}, harness.Site{})
		if !errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), "use --target exact or vm") {
			t.Errorf("%s: %v", method, err)
		}
	}
}
