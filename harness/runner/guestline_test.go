// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"strings"
	"testing"
)

// TestLineWithoutEnd: what a guest sends without ever ending the line is refused before it fills the memory.
func TestLineWithoutEnd(t *testing.T) {
	g := &Guest{limit: 1000}
	part := bytes.Repeat([]byte("x"), 300)
	var err error
	n := 0
	for ; err == nil && n < 10; n++ {
		_, err = g.Write(part)
	}
	if n != 4 || err == nil || !strings.Contains(err.Error(), "a line of more than 1000 bytes") {
		t.Errorf("after %d parts of 300 bytes: %v", n, err)
	}
}
