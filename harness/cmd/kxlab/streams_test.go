// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"
)

// TestColours: a terminal has colours unless NO_COLOR is set, anything else has none.
func TestColours(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tt := range []struct {
		f        *os.File
		no, term string
		want     bool
	}{{terminal, "", "xterm", true}, {terminal, "1", "xterm", false}, {terminal, "", "dumb", false}, {file, "", "xterm", false}} {
		t.Setenv("NO_COLOR", tt.no)
		t.Setenv("TERM", tt.term)
		if got := colours(tt.f); got != tt.want {
			t.Errorf("%s, NO_COLOR=%q, TERM=%s: %t, want %t", tt.f.Name(), tt.no, tt.term, got, tt.want)
		}
	}
}
