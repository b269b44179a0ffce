// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// longest is how many words a sentence of a Markdown file may have.
const longest = 35

// pages are the files that have to fit a reader's screen, and their most lines.
var pages = []struct {
	pattern string
	lines   int
}{
	{"README.md", 100},
	{"experiments/*.md", 65},
}

// A rule is a pattern that no sentence may match, and the remedy.
type rule struct {
	name    string
	pattern *regexp.Regexp
	remedy  string
	where   []kind
}

var (
	prose     = []kind{paragraph, cell}
	written   = []kind{paragraph, cell, heading}
	anyPlace  = []kind{paragraph, cell, heading, comment}
	sentences = []kind{paragraph, comment}
)

func words(pattern string) *regexp.Regexp { return regexp.MustCompile(`(?i)\b(?:` + pattern + `)\b`) }

// rules holds for whole sentences. A question (with a question mark) may begin with its question word.
var rules = []rule{
	{"subject", regexp.MustCompile(`^(?:Who|Whoever|Whose|What|Whatever)\b[^?]*$`), "name the subject: task, packet, run", sentences},
	{"subject", regexp.MustCompile(`^(?:Where|How|Why|Which)\b[^?,]*$`), "name the subject; no sentence begins with a question word", sentences},
	{"subject", regexp.MustCompile(`^It\b`), "name the subject instead of it", []kind{paragraph}},
	{"person", words(`somebody|everybody|nobody|anybody|someone|everyone`), "name the task, packet, run or reader", anyPlace},
	{"diary", words(`today|yesterday|this time|that day|at first|at last|turned out|until then|since then|so far|these days|used to be|no longer|` +
		`(?:we|I) (?:tried|found|saw|measured)|tried (?:once|first)|was mended|is mended`), "say what is so, not how it was found", written},
	{"diary", regexp.MustCompile(`(?i)\bnow\b`), "say what is so, not since when", prose},
	{"filler", words(`very|really|simply|obviously|actually|basically|of course|quite|in fact`), "leave it out, or give the figure", written},
	{"negation", words(`(?:not|never|cannot|can't|doesn't|isn't) (?:uncommon|unlikely|unusual|impossible|unknown|unable|unlike|none|nothing|never|without|no)`),
		"say it without the double negation", anyPlace},
	{"negation", words(`(?:nothing|nobody|none|no \w+) (?:that|which|who) (?:is|are|was|does|do|has|have|can|will)(?: not|n't)`),
		"say it without the double negation", anyPlace},
	{"negation", words(`(?:nothing|none|neither|never|cannot) (?:\w+ ){0,3}(?:but|without|unless)`), "say it without the double negation", written},
}

// terms are words that the field has another word for.
var terms = []struct {
	wrong *regexp.Regexp
	right string
}{
	{words(`forced (?:context )?switch(?:es)?`), "involuntary context switch"},
	{words(`foretells?|foretold|foretelling`), "predict"},
	{words(`niceness`), "nice value"},
	{words(`run-queues?`), "run queue"},
	{words(`wake-ups?`), "wakeup"},
	{words(`look-ups?`), "lookup"},
	{words(`back-ends?`), "backend"},
	{words(`time-outs?`), "timeout"},
	{words(`sen(?:ds?|t) again`), "retransmit"},
	{words(`(?:packets?|bytes|requests?|segments?) (?:is |are |were )?under way`), "in flight"},
	{words(`dearer|dearest`), "more expensive"},
	{words(`strays|strayed`), "vary, differ"},
	{words(`half as long again`), "1.5 times as long"},
	{words(`put out by the kernel`), "ejected"},
	{words(`dealt with`), "handled"},
	{words(`stood still|stands? still|standing still`), "stall, stop"},
	{words(`heeds?|heeded`), "react to, obey"},
	{words(`owes? nothing to`), "independent of"},
	{words(`to and fro`), "ping-pong, back and forth"},
}

// check returns the findings of the files, which lie in root.
func check(root fs.FS, files []string) ([]finding, error) {
	all := map[string]bool{}
	for _, f := range files {
		all[f] = true
	}
	out, err := siteLinks(root, files)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		var blocks []block
		switch path.Ext(file) {
		case ".md", ".go", ".c", ".h", ".yaml":
		default:
			continue
		}
		raw, err := fs.ReadFile(root, file)
		if err != nil {
			return nil, err
		}
		text := string(raw)
		switch path.Ext(file) {
		case ".md":
			blocks = markdown(text)
			out = append(out, pageLength(file, text)...)
			out = append(out, links(root, file, text)...)
		case ".go", ".c", ".h":
			blocks = comments(text)
		}
		if !strings.HasPrefix(file, "scripts/words/") { // its rules and tests name the faults
			out = append(out, mentions(root, file, text)...)
			for _, b := range blocks {
				for _, s := range b.sentences() {
					out = append(out, judge(file, s)...)
				}
			}
		}
	}
	return sorted(out), nil
}

func judge(file string, s sentence) []finding {
	var out []finding
	add := func(rule, format string, args ...any) {
		out = append(out, finding{file, s.line, rule, fmt.Sprintf(format, args...)})
	}
	for _, r := range rules {
		for _, k := range r.where {
			if k == s.kind && r.pattern.MatchString(s.text) {
				add(r.name, "%q: %s: %s", r.pattern.FindString(s.text), r.remedy, head(s.text))
			}
		}
	}
	for _, t := range terms {
		if m := t.wrong.FindString(s.text); m != "" {
			add("term", "%q: write %q: %s", m, t.right, head(s.text))
		}
	}
	if n := len(strings.Fields(s.text)); n > longest && s.kind != comment {
		add("length", "a sentence of %d words, at most %d: %s", n, longest, head(s.text))
	}
	return out
}

// head is the beginning of a sentence.
func head(s string) string {
	if w := strings.Fields(s); len(w) > 9 {
		return strings.Join(w[:9], " ") + " …"
	}
	return s
}

func pageLength(file, text string) []finding {
	lines := strings.Count(text, "\n")
	for _, p := range pages {
		if ok, _ := path.Match(p.pattern, file); ok && lines > p.lines {
			return []finding{{file, lines, "page", fmt.Sprintf("%d lines, at most %d: move detail to the notes", lines, p.lines)}}
		}
	}
	return nil
}
