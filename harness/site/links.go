// SPDX-License-Identifier: Apache-2.0

package site

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	// Attributes of tags; in text a quote is escaped, so that none is found there.
	linkAttr = regexp.MustCompile(`\s(href|src|srcset|action|poster|data)="([^"]*)"`)
	idAttr   = regexp.MustCompile(`\sid="([^"]*)"`)
	loads    = regexp.MustCompile(`(?i)<(link|iframe|object|embed|img|base)\b|@import|url\(`)
)

// BrokenLinks are the faults of the links of a site's files: a page or a fragment that is not there, an id given twice, and what a page would
// load, but for a script of the site. A link to a source, which only a reader follows, is no fault.
func BrokenLinks(files map[string][]byte) (faults []string) {
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
			if err == nil && to.Scheme == "https" && to.Host != "" && m[1] == "href" {
				continue
			}
			if err != nil || to.Scheme != "" || to.Host != "" || strings.HasPrefix(to.Path, "/") || m[1] != "href" && (m[1] != "src" || !strings.HasSuffix(to.Path, ".js")) {
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
	slices.Sort(faults)
	return faults
}
