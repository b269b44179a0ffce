// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"testing"

	"github.com/kxlab/kxlab/bpf"
)

// TestSameObjects: every object is the same code as itself, and as no other but one: clang finds no use for what instruction set v4 has more
// than v3 in jit/functions.
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
		if other, _ := bpf.Open(names[(i+1)%len(names)]); Same(a, other) != (name == "jit/functions_v3") {
			t.Errorf("%s is wrongly the same as %s, or not", name, names[(i+1)%len(names)])
		}
	}
}
