// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"testing"
)

// Guests may have every processor that this process may use, each once.
func TestProcessors(t *testing.T) {
	free, err := openProcessors()
	if err != nil {
		t.Fatal(err)
	}
	if len(free) != runtime.NumCPU() {
		t.Errorf("%d processors, want %d", len(free), runtime.NumCPU())
	}
	seen := map[int]bool{}
	for range len(free) {
		p := <-free
		if seen[p] {
			t.Errorf("processor %d is there twice", p)
		}
		seen[p] = true
	}
}
