// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
)

// kind is the place of a piece of prose: some rules apply to whole sentences only.
type kind int

const (
	paragraph kind = iota
	heading
	cell // of a table
	comment
)

// block is a run of text that sentences do not cross: a paragraph, a list item, a heading, a cell of a table, a comment.
type block struct {
	kind kind
	line int // of its first line, from 1
	text string
}

// sentence is one sentence of a block.
type sentence struct {
	kind kind
	line int
	text string
}

var (
	fence    = regexp.MustCompile("^\\s*(```|~~~)")
	listItem = regexp.MustCompile(`^\s*([-*+]|[0-9]+\.)\s+`)
	ruler    = regexp.MustCompile(`^\|[-:| ]+\|$`)
	// inline takes the markup off. Code becomes one word, a link its text.
	inline = []struct {
		pattern *regexp.Regexp
		with    string
	}{
		{regexp.MustCompile("(?s)<!--.*?-->"), ""},
		{regexp.MustCompile("``[^`].*?``|`[^`]*`"), "CODE"},
		{regexp.MustCompile(`!\[[^\]]*\]\([^)]*\)`), ""},
		{regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`), "$1"},
		{regexp.MustCompile(`\*\*|__`), ""},
		{regexp.MustCompile(`\*([^*\s][^*]*)\*`), "$1"},
	}
)

// markdown returns the blocks of a Markdown file, without code.
func markdown(text string) []block {
	var out []block
	var open *block
	fenced, code, blank := false, false, true
	for i, line := range strings.Split(text, "\n") {
		line := strings.TrimRight(line, " \r")
		trimmed := strings.TrimSpace(line)
		if fence.MatchString(line) {
			fenced, open = !fenced, nil
			continue
		}
		if fenced {
			continue
		}
		if trimmed == "" {
			open, blank = nil, true
			continue
		}
		code = strings.HasPrefix(line, "    ") && (code || blank)
		blank = false
		switch {
		case code || ruler.MatchString(trimmed):
			open = nil
		case strings.HasPrefix(line, "#"):
			out, open = append(out, block{heading, i + 1, strings.TrimLeft(line, "# ")}), nil
		case strings.HasPrefix(trimmed, "|"):
			open = nil
			for c := range strings.SplitSeq(strings.Trim(trimmed, "|"), "|") {
				out = append(out, block{cell, i + 1, strings.TrimSpace(c)})
			}
		case open == nil || listItem.MatchString(line):
			out = append(out, block{paragraph, i + 1, listItem.ReplaceAllString(trimmed, "")})
			open = &out[len(out)-1]
		default:
			open.text += "\n" + trimmed
		}
	}
	for i := range out {
		out[i].text = plain(out[i].text)
	}
	return out
}

func plain(s string) string {
	for _, r := range inline {
		s = r.pattern.ReplaceAllString(s, r.with)
	}
	return s
}

// comments returns the comments of a Go or C file. Directives (//go:…) and text that is indented in its comment are code.
func comments(text string) []block {
	var out []block
	var open *block
	inC := false
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		var text string
		own := false // the comment has the line to itself
		switch {
		case inC:
			var end bool
			text, _, end = strings.Cut(trimmed, "*/")
			text, own, inC = strings.TrimPrefix(strings.TrimPrefix(text, "*"), " "), true, !end
		case strings.HasPrefix(trimmed, "//"):
			text, own = strings.TrimPrefix(trimmed, "//"), true
			text = strings.TrimPrefix(text, " ")
		case strings.HasPrefix(trimmed, "/*"):
			var end bool
			text, _, end = strings.Cut(trimmed[2:], "*/")
			text, own, inC = strings.TrimPrefix(strings.TrimPrefix(text, "*"), " "), true, !end
		default:
			open = nil
			if _, after, ok := strings.Cut(line, " // "); ok && !strings.ContainsAny(after, "\"`") {
				out = append(out, block{comment, i + 1, plain(after)})
			}
			continue
		}
		switch {
		case !own, strings.TrimSpace(text) == "", strings.HasPrefix(text, "\t"), strings.HasPrefix(text, "  "), strings.HasPrefix(text, "go:"):
			open = nil
		case open == nil || listItem.MatchString(text):
			out = append(out, block{comment, i + 1, text})
			open = &out[len(out)-1]
		default:
			open.text += "\n" + text
		}
	}
	for i := range out {
		out[i].text = plain(out[i].text)
	}
	return out
}

// sentenceEnd is where a sentence ends: a mark, and a letter, figure or bracket behind the gap. Abbreviations end none.
var sentenceEnd = regexp.MustCompile(`([.!?][)"”*]*)(\s+)(["(\[*“]*[A-Za-z0-9])`)

func (b block) sentences() []sentence {
	var out []sentence
	rest, line := b.text, b.line
	for rest != "" {
		end, next := len(rest), len(rest)
		from := 0
		for {
			m := sentenceEnd.FindStringSubmatchIndex(rest[from:])
			if m == nil {
				break
			}
			stop := from + m[3]
			if abbreviated(rest[:stop]) {
				from = stop
				continue
			}
			end, next = stop, from+m[6]
			break
		}
		text := strings.Join(strings.Fields(rest[:end]), " ")
		if text != "" {
			out = append(out, sentence{b.kind, line, text})
		}
		line += strings.Count(rest[:next], "\n")
		rest = rest[next:]
	}
	return out
}

func abbreviated(s string) bool {
	for _, a := range []string{"e.g.", "i.e.", "etc.", "vs.", "cf.", " al."} {
		if strings.HasSuffix(s, a) {
			return true
		}
	}
	return false
}
