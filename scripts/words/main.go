// SPDX-License-Identifier: Apache-2.0

// Command words checks the prose of this repository: the words and sentences of its Markdown files, the words of comments in Go and
// BPF programs, and the links and file names that both contain. Run it in the module's root:
//
//	go run ./scripts/words [FILE...]
//
// Without arguments it checks every file that git tracks. Each finding is a line, FILE:LINE: RULE: TEXT; the exit code is 1 if there
// is one. The rules are in rules.go, links in links.go; prose.go finds the sentences.
package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

func main() {
	files := os.Args[1:]
	if len(files) == 0 {
		out, err := exec.Command("git", "ls-files").Output()
		if err != nil {
			fmt.Fprintln(os.Stderr, "words: list files:", err)
			os.Exit(2)
		}
		files = strings.Fields(string(out))
	}
	findings, err := check(os.DirFS("."), files)
	if err != nil {
		fmt.Fprintln(os.Stderr, "words:", err)
		os.Exit(2)
	}
	for _, f := range findings {
		fmt.Println(f)
	}
	if len(findings) > 0 {
		os.Exit(1)
	}
}

// finding is one fault of one file.
type finding struct {
	file string
	line int // from 1
	rule string
	text string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s: %s", f.file, f.line, f.rule, f.text) }

func sorted(all []finding) []finding {
	slices.SortStableFunc(all, func(a, b finding) int {
		return cmp.Or(strings.Compare(a.file, b.file), a.line-b.line)
	})
	return all
}
