// SPDX-License-Identifier: Apache-2.0

package page

import (
	"html"
	"net/url"
	"strings"
	"unicode"
)

// inLine makes one line of a text: control characters become spaces, so that none breaks a row or reaches a terminal.
func inLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// markup are the characters that GitHub's Markdown reads as markup wherever they stand in a line.
var markup = strings.NewReplacer("\\", `\\`, "|", `\|`, "<", "&lt;", "&", "&amp;", "~", `\~`, "*", `\*`, "`", "\\`", "](", `\](`, "][", `\][`, "]:", `\]:`)

// markdown writes a line of text so that Markdown shows it as it is. An underscore within a word is none of its marks, and a bracket is one
// only in front of what may be a link.
func markdown(s string) string {
	s = markup.Replace(inLine(s))
	if !strings.Contains(s, "_") && !strings.HasPrefix(s, "[") {
		return s
	}
	var out strings.Builder
	before := ' '
	all := []rune(s)
	for i, r := range all {
		inWord := i+1 < len(all) && wordRune(before) && wordRune(all[i+1])
		if r == '_' && !inWord || r == '[' && i == 0 { // at the beginning of an item: a box to tick
			out.WriteByte('\\')
		}
		out.WriteRune(r)
		before = r
	}
	return out.String()
}

func wordRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// inHTML is a text within an HTML element of a Markdown page, where Markdown's escapes do not count.
func inHTML(s string) string { return html.EscapeString(inLine(s)) }

// destination is the path of a file as the destination of a link.
func destination(path string) string {
	return strings.NewReplacer("(", "%28", ")", "%29").Replace((&url.URL{Path: path}).EscapedPath())
}

// fence is a line of backquotes that does not stand in a text.
func fence(text string) string {
	mark := "```"
	for strings.Contains(text, mark) {
		mark += "`"
	}
	return mark
}
