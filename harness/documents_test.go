// SPDX-License-Identifier: Apache-2.0

package harness_test

import (
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// TestSecondDocument: a second document is found at its line, and none in what only looks like one.
func TestSecondDocument(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "a: 1\n": 0, "---\na: 1\n": 0, "# a\n%YAML 1.2\n--- # b\na: 1\n...\n# c\n": 0, "a: |\n  ---\n  b\n": 0, "---a: 1\n----\n": 0, "a: 1\n...\n...\n": 0,
		"\ufeff# a\n---\na: 1\n": 0,
		"a: 1\n---\na: 2\n":      2, "a: 1\r\n---\r\nb": 2, "---\n---\n": 2, "a: 1\n--- [}": 2, "a: 1\n...\n\nb: 1\n": 4, "- 1\n# a\n---": 3,
	} {
		if line, err := harness.SecondDocument([]byte(text)); line != want || (err != nil) != (want > 0) {
			t.Errorf("%q: %d, %v, want %d", text, line, err, want)
		}
	}
}
