// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"strings"
	"testing"
)

// TestFixText: text says its length, in proportion to what it says, so that a browser's own font runs into nothing.
func TestFixText(t *testing.T) {
	text := func(s string) string {
		return `<text x="1" style="font-family:Liberation Sans;font-variant:Sans;font-weight:normal;font-style:normal;font-size:9px">` + s + `</text>`
	}
	length := func(s string) string {
		got := string(fixText([]byte(text(s))))
		_, rest, ok := strings.Cut(got, `textLength="`)
		n, _, _ := strings.Cut(rest, `"`)
		if !ok || strings.Contains(got, "font-family") || strings.Contains(got, ":normal") || strings.Contains(got, "font-variant") || !strings.HasSuffix(got, ">"+s+"</text>") {
			t.Errorf("text became %s", got)
		}
		return n
	}
	if one, two := length("i"), length("W"); one == two {
		t.Errorf("i and W are both %s long", one)
	}
	if a, b := length("a &lt; b"), length("a + b"); a != b { // < is as wide as +
		t.Errorf("an escaped text is %s long, want %s", a, b)
	}
}
