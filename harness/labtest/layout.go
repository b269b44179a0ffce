// SPDX-License-Identifier: Apache-2.0

package labtest

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// compareLayout compares size, number and offsets of fields; names may differ in case and underscores only.
func CompareLayout(t *testing.T, object string, c *btf.Struct, mirror reflect.Type) {
	t.Helper()
	if int(c.Size) != int(mirror.Size()) || len(c.Members) != mirror.NumField() {
		t.Errorf("%s: struct %s has %d bytes and %d fields, Go's %s %d and %d", object, c.Name, c.Size, len(c.Members),
			mirror, mirror.Size(), mirror.NumField())
		return
	}
	for i, m := range c.Members {
		f := mirror.Field(i)
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			t.Fatal(err)
		}
		if plain := strings.ReplaceAll(m.Name, "_", ""); !strings.EqualFold(plain, f.Name) ||
			m.Offset.Bytes() != uint32(f.Offset) || size != int(f.Type.Size()) {
			t.Errorf("%s: struct %s has %s at %d, %d bytes; Go has %s at %d, %d bytes", object, c.Name, m.Name,
				m.Offset.Bytes(), size, f.Name, f.Offset, f.Type.Size())
		}
	}
}
