// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestObjects: objects are read as they were, in far fewer bytes, and jobs with objects that differ little have one length.
func TestObjects(t *testing.T) {
	a := Objects{"own": append(bytes.Repeat([]byte("instruction"), 5000), make([]byte, 200<<10)...), "none": make([]byte, 256<<10)}
	b := Objects{"own": bytes.Clone(a["own"]), "none": a["none"]}
	copy(b["own"][1000:], "a few other bytes")
	one, err := json.Marshal(Job{Objects: a})
	if err != nil {
		t.Fatal(err)
	}
	other, _ := json.Marshal(Job{Objects: b})
	if len(one) != len(other) || len(one) > 50<<10 {
		t.Errorf("%d and %d bytes", len(one), len(other))
	}
	var got Job
	if err := json.Unmarshal(other, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, got.Objects); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`{"objects":{"x":"AAAA"}}`), &got); err == nil {
		t.Error("a damaged object is read")
	}
}
