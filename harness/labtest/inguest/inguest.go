// SPDX-License-Identifier: Apache-2.0

// Package inguest runs tests in guests, for tests.
package inguest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/vm"
)

// Kernel opens the lab's default kernel. It skips a short run, and a machine that lacks what guests need.
func Kernel(t *testing.T) *vm.Kernel {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a guest")
	}
	k, err := vm.Open(t.Context(), "")
	skipOrFail(t, err, "")
	return k
}

// Exact runs the tests of this binary that match a pattern in an exact guest, and returns what they printed. The binary's TestMain
// calls vm.Guest. Cmd says what the guest has.
func Exact(t *testing.T, cmd vm.Cmd, pattern string) string {
	t.Helper()
	cmd.Kernel = Kernel(t)
	cmd.Exact, cmd.NoSnapshots = &vm.Exact{Seed: 1}, true // a snapshot would be used once
	cmd.Args = []string{"kxlab", "-test.run=" + pattern, "-test.v"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run(t.Context())
	skipOrFail(t, err, out.String())
	return out.String()
}

func skipOrFail(t *testing.T, err error, output string) {
	t.Helper()
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}
