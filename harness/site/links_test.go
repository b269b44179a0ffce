// SPDX-License-Identifier: Apache-2.0

package site

import (
	"strings"
	"testing"
)

// TestLinkChecker: the checker finds each kind of fault that is planted.
func TestLinkChecker(t *testing.T) {
	good := `<a href="b.html#x">b</a> <a href="#y">y</a> <p id="y">href=&#34;none&#34;</p>`
	for _, tt := range []struct{ what, text, want string }{
		{"nothing", good, ""},
		{"missing page", good + `<a href="c.html">`, "a.html: there is no c.html"},
		{"missing fragment", good + `<a href="b.html#z">`, "a.html: b.html has no #z"},
		{"missing fragment here", good + `<a href="#z">`, "a.html: a.html has no #z"},
		{"twice", good + `<i id="y">`, `id "y" is given twice`},
		{"a source", good + `<a href="https://example.org/" rel="external noopener">`, ""},
		{"elsewhere", good + `<a href="http://example.org/">`, "leaves the site"},
		{"a script of another site", good + `<script src="https://example.org/a.js"></script>`, "leaves the site"},
		{"a script of this site", good + `<script defer src="c.js"></script>`, ""},
		{"a script that is not there", good + `<script defer src="d.js"></script>`, "a.html: there is no d.js"},
		{"a page as a script", good + `<script src="b.html"></script>`, "leaves the site"},
		{"an image", good + `<img src="b.html">`, "loads something: <img"},
		{"a font", good + `<style>a { background: url(x) }</style>`, "loads something: url("},
	} {
		faults := strings.Join(BrokenLinks(map[string][]byte{"a.html": []byte(tt.text), "b.html": []byte(`<p id="x">`), "c.js": nil}), "\n")
		if !strings.Contains(faults, tt.want) || tt.want == "" && faults != "" {
			t.Errorf("%s: %q, want %q", tt.what, faults, tt.want)
		}
	}
}
