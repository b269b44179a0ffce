// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/kxlab/kxlab/harness/site"
)

var (
	link = regexp.MustCompile(`\]\(([^)\s]+)[^)]*\)`)
	// mention is the name of a document or definition in prose, comments and code, from the module's root.
	mention = regexp.MustCompile(`(?:^|[^\w./-])((?:docs|experiments)/[\w/-]+\.(?:md|yaml))\b`)
	code    = regexp.MustCompile("`[^`\n]*`")
)

// links returns the links of a Markdown file whose file or heading is not there. Links to other sites are not followed.
func links(root fs.FS, file, text string) []finding {
	var out []finding
	fenced := false
	for i, line := range strings.Split(text, "\n") {
		if fence.MatchString(line) {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(line, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			name, anchor, _ := strings.Cut(m[1], "#")
			target := file
			if name != "" {
				target = path.Join(path.Dir(file), name)
			}
			if _, err := fs.Stat(root, target); err != nil {
				out = append(out, finding{file, i + 1, "link", m[1] + ": no such file"})
				continue
			}
			if anchor == "" {
				continue
			}
			raw, err := fs.ReadFile(root, target)
			if err != nil || !anchors(string(raw))[anchor] {
				out = append(out, finding{file, i + 1, "link", m[1] + ": no such heading"})
			}
		}
	}
	return out
}

// publishedSite is the folder of the site that is published with the repository.
const publishedSite = "results/site/"

// siteLinks returns the faults of the published site's links.
func siteLinks(root fs.FS, files []string) ([]finding, error) {
	pages := map[string][]byte{}
	for _, file := range files {
		name, ok := strings.CutPrefix(file, publishedSite)
		if ext := path.Ext(name); !ok || ext != ".html" && ext != ".js" {
			continue
		}
		raw, err := fs.ReadFile(root, file)
		if err != nil {
			return nil, err
		}
		pages[name] = raw
	}
	var out []finding
	for _, fault := range site.BrokenLinks(pages) {
		name, text, _ := strings.Cut(fault, ": ")
		out = append(out, finding{publishedSite + name, 1, "link", text})
	}
	return out, nil
}

// mentions returns the documents and definitions that a file names and that are not there.
func mentions(root fs.FS, file, text string) []finding {
	var out []finding
	for i, line := range strings.Split(text, "\n") {
		for _, m := range mention.FindAllStringSubmatch(line, -1) {
			if _, err := fs.Stat(root, m[1]); err != nil && !strings.Contains(m[1], "NAME") {
				out = append(out, finding{file, i + 1, "mention", m[1] + ": no such file"})
			}
		}
	}
	return out
}

// anchors are the names by which a Markdown file's headings can be linked to, as GitHub makes them.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	fenced := false
	for line := range strings.SplitSeq(text, "\n") {
		if fence.MatchString(line) {
			fenced = !fenced
		}
		if fenced || !strings.HasPrefix(line, "#") {
			continue
		}
		first := slug(strings.TrimLeft(line, "# "))
		name := first
		for n := 1; out[name]; n++ {
			name = fmt.Sprintf("%s-%d", first, n)
		}
		out[name] = true
	}
	return out
}

func slug(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}
