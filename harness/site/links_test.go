// SPDX-License-Identifier: Apache-2.0

package site

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var (
	// Attributes of tags; in text a quote is escaped, so that none is found there.
	linkAttr = regexp.MustCompile(`\s(href|src|srcset|action|poster|data)="([^"]*)"`)
	idAttr   = regexp.MustCompile(`\sid="([^"]*)"`)
	loads    = regexp.MustCompile(`(?i)<(link|iframe|object|embed|img|base)\b|@import|url\(`)
)

// brokenLinks are the faults of a site's links: a page or a fragment that is not there, an id given twice, and anything of another site.
func brokenLinks(files map[string][]byte) (faults []string) {
	ids := map[string]map[string]bool{}
	for name, text := range files {
		ids[name] = map[string]bool{}
		for _, m := range idAttr.FindAllStringSubmatch(string(text), -1) {
			id := html.UnescapeString(m[1])
			if ids[name][id] {
				faults = append(faults, fmt.Sprintf("%s: id %q is given twice", name, id))
			}
			ids[name][id] = true
		}
	}
	for name, text := range files {
		if found := loads.FindString(string(text)); found != "" {
			faults = append(faults, fmt.Sprintf("%s: loads something: %s", name, found))
		}
		for _, m := range linkAttr.FindAllStringSubmatch(string(text), -1) {
			to, err := url.Parse(html.UnescapeString(m[2]))
			if err != nil || to.Scheme != "" || to.Host != "" || strings.HasPrefix(to.Path, "/") || m[1] != "href" {
				faults = append(faults, fmt.Sprintf("%s: %s leaves the site", name, m[0]))
				continue
			}
			page := name
			if to.Path != "" {
				page = to.Path
			}
			if _, ok := files[page]; !ok {
				faults = append(faults, fmt.Sprintf("%s: there is no %s", name, page))
			} else if to.Fragment != "" && !ids[page][to.Fragment] {
				faults = append(faults, fmt.Sprintf("%s: %s has no #%s", name, page, to.Fragment))
			}
		}
	}
	return faults
}

// TestLinkChecker: the checker finds each kind of fault that is planted.
func TestLinkChecker(t *testing.T) {
	good := `<a href="b.html#x">b</a> <a href="#y">y</a> <p id="y">href=&#34;none&#34;</p>`
	for _, tt := range []struct{ what, text, want string }{
		{"nothing", good, ""},
		{"missing page", good + `<a href="c.html">`, "a.html: there is no c.html"},
		{"missing fragment", good + `<a href="b.html#z">`, "a.html: b.html has no #z"},
		{"missing fragment here", good + `<a href="#z">`, "a.html: a.html has no #z"},
		{"twice", good + `<i id="y">`, `id "y" is given twice`},
		{"elsewhere", good + `<a href="https://example.org/">`, "leaves the site"},
		{"an image", good + `<img src="b.html">`, "loads something: <img"},
		{"a font", good + `<style>a { background: url(x) }</style>`, "loads something: url("},
	} {
		faults := strings.Join(brokenLinks(map[string][]byte{"a.html": []byte(tt.text), "b.html": []byte(`<p id="x">`)}), "\n")
		if !strings.Contains(faults, tt.want) || tt.want == "" && faults != "" {
			t.Errorf("%s: %q, want %q", tt.what, faults, tt.want)
		}
	}
}
