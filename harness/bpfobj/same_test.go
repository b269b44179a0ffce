// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"testing"

	"github.com/kxlab/kxlab/bpf"
)

// TestSameObjects: every object is the same code as itself, and as no other.
func TestSameObjects(t *testing.T) {
	names := bpf.Names()
	for i, name := range names {
		a, err := bpf.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := bpf.Open(name)
		if !Same(a, b) {
			t.Errorf("%s is not the same as itself", name)
		}
		if other, _ := bpf.Open(names[(i+1)%len(names)]); Same(a, other) {
			t.Errorf("%s is the same as %s", name, names[(i+1)%len(names)])
		}
	}
}
