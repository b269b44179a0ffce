// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/cache"
)

// Without a place for the cache doctor says so, and says all else.
func TestGuestRowsWithoutCache(t *testing.T) {
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", cache.Env} {
		t.Setenv(name, "")
	}
	rows, err := guestRows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kernels := 0
	for _, r := range rows {
		if r.What != "a kernel" {
			continue
		}
		kernels++
		if r.OK || !r.Vital || !strings.Contains(r.Detail, "set "+cache.Env) {
			t.Errorf("%+v, want what is missing and the remedy", r)
		}
	}
	if kernels != 2 || rows[len(rows)-1].What != "virtme-ng" {
		t.Errorf("rows %+v", rows)
	}
}

// A guest's program reads what this process would, but for a terminal's input.
func TestGuestInput(t *testing.T) {
	if in := strings.NewReader("x"); guestInput(in) != io.Reader(in) {
		t.Error("a reader is not passed on")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if guestInput(r) != io.Reader(r) {
		t.Error("a pipe is not passed on")
	}
	r.Close()
	if in := guestInput(r); in != nil {
		t.Errorf("of a closed file %v is passed on", in)
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	if in := guestInput(terminal); in != nil {
		t.Errorf("of a terminal %v is passed on", in)
	}
}
