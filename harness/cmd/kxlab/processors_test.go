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

// A limit of CPU time, which the runtime obeys, leaves as many processors, of those that this process may use.
func TestProcessorsLimited(t *testing.T) {
	all, err := openProcessors()
	if err != nil || cap(all) < 2 {
		t.Skipf("%d processors, %v", cap(all), err)
	}
	close(all)
	known := map[int]bool{}
	for p := range all {
		known[p] = true
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	drawn := map[int]bool{}
	for range 100 {
		free, err := openProcessors()
		if err != nil || len(free) != 1 {
			t.Fatalf("%d processors, want 1, %v", len(free), err)
		}
		drawn[<-free] = true
	}
	for p := range drawn {
		if !known[p] {
			t.Errorf("processor %d is not this process's", p)
		}
	}
	if len(drawn) < 2 {
		t.Errorf("containers of one machine would all use %v", drawn)
	}
}
