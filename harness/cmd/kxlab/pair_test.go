// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// TestObjectsOf: the jobs of both sides are equally long, each has its own object alone, and that of A does not change with B.
func TestObjectsOf(t *testing.T) {
	pairOf := func(b []byte) *pair {
		return &pair{a: harness.Variant{Object: "a.o"}, b: harness.Variant{Object: "b.o"},
			objects: map[string][]byte{"a.o": bytes.Repeat([]byte("a"), objectStep+1), "b.o": b}}
	}
	p, edited := pairOf([]byte("first")), pairOf([]byte("second, longer"))
	for side, mine := range []string{"a.o", "b.o"} {
		got, other := p.objectsOf(side, 2), map[string]int{"a.o": 2 * objectStep, "b.o": objectStep}
		for name, raw := range got {
			if len(raw) != other[name] {
				t.Errorf("side %d: %s has %d bytes", side, name, len(raw))
			}
			filled := bytes.TrimRight(raw, "\x00")
			if want := map[bool][]byte{true: p.objects[name]}[name == mine]; !bytes.Equal(filled, want) {
				t.Errorf("side %d: %s has %d bytes that are not zero", side, name, len(filled))
			}
			if side == 0 && !bytes.Equal(raw, edited.objectsOf(0, 2)[name]) {
				t.Errorf("A's %s changes with B", name)
			}
		}
	}
	if got := p.objectsOf(0, 1); len(got["b.o"]) != 5 {
		t.Errorf("one run for both: %d bytes", len(got["b.o"]))
	}
}

// TestOrder: a program of the user's is measured before one of the lab's, and of two B, so that its faults cost one guest.
// TestAlone: on target exact, where both sides have A's name, a congestion control of the kernel's keeps its own.
func TestAlone(t *testing.T) {
	p, err := openPair(t.Context(), vocabulary(), abFlags{}, "cubic", "reno")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"cubic", "reno"} {
		if v := p.alone()[i].Variants[0]; v.Name != "cubic" || v.Algorithm != want {
			t.Errorf("side %d: name %s, algorithm %q; want cubic, %q", i, v.Name, v.Algorithm, want)
		}
	}
}

func TestOrder(t *testing.T) {
	for want, objects := range map[int]map[string][]byte{0: {"a.o": {1}}, 1: {"a.o": {1}, "b.o": {1}}} {
		p := &pair{a: harness.Variant{Object: "a.o"}, b: harness.Variant{Object: "b.o"}, objects: objects}
		if got := p.order(2)[0]; got != want {
			t.Errorf("objects %q: side %d comes first, want %d", objects, got, want)
		}
	}
}
