// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"io"
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

// TestPassed: a report may be kept only if it is whole and nothing in it is wrong.
func TestPassed(t *testing.T) {
	const end = `{"end":{}}` + "\n"
	for _, c := range []struct {
		report string
		want   bool
	}{
		{end, true},
		{``, false},
		{`{"enter":"g"}` + "\n", false},
		{end + `{"en`, false},
		{`{"end":{"error":"no link"}}` + "\n", false},
		{`{"gate":{"variant":"a","where":"g","passed":true}}` + "\n" + end, true},
		{`{"gate":{"variant":"a","where":"g"}}` + "\n" + end, false},
		{`{"outcome":{"cell":"C","outcome":"not supported"}}` + "\n" + end, true},
		{`{"outcome":{"cell":"C","outcome":"failed"}}` + "\n" + end, false},
		{`{"reject":{"trial":{},"reason":"lost"}}` + "\n" + end, false},
	} {
		g := &Guest{run: &engine{GuestOptions: GuestOptions{Progress: NewProgress(io.Discard, 80)}}, piece: &piece{}}
		if _, err := g.Write([]byte(c.report)); err != nil || g.Passed() != c.want {
			t.Errorf("%q: %v, passed %v", c.report, err, g.Passed())
		}
	}
}
