// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"io/fs"
	"testing"
)

// TestFirstLine: of several errors the first is said and the others are counted, and all can still be asked after.
func TestFirstLine(t *testing.T) {
	one := errors.New("no room")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{one, "no room"},
		{errors.Join(one, fs.ErrPermission), "no room (and 1 fault more)"},
		{errors.Join(one, errors.Join(one, one)), "no room (and 2 faults more)"},
	} {
		if got := FirstLine(tt.err); got.Error() != tt.want || !errors.Is(got, one) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if FirstLine(nil) != nil {
		t.Error("no error is one")
	}
}
