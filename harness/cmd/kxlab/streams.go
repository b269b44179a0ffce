// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/runner"
)

// streams are where a command writes: results to out, all else to err.
type streams struct {
	out, err io.Writer
	columns  int  // of the terminal behind err; 0: there is none
	width    int  // of the terminal that out is, or as COLUMNS says of what is none; 0: not known
	colour   bool // out may have colours
	quiet    bool // no notes, and little of the progress
	// atOnce says that the command has nothing to tidy up: the first signal ends it. It is nil in tests.
	atOnce *atomic.Bool
}

// endAtOnce lets the first signal end the command.
func (s streams) endAtOnce() {
	if s.atOnce != nil {
		s.atOnce.Store(true)
	}
}

// colours reports whether what is written to f may have colours: it is a terminal, and NO_COLOR (no-color.org) is not set.
func colours(f *os.File) bool { return columns(f) > 0 && os.Getenv("NO_COLOR") == "" }

// columns is the width of the terminal that f is, or 0.
func columns(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	switch {
	case err != nil || os.Getenv("TERM") == "dumb":
		return 0
	case size.Col == 0:
		return 80 // a terminal that does not know its own width
	}
	return int(size.Col)
}

// width is the width of the terminal that f is, else that of the variable COLUMNS, or 0.
func width(f *os.File) int {
	if n := columns(f); n > 0 {
		return n
	}
	n, err := strconv.Atoi(os.Getenv("COLUMNS"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// note writes a line that is not a result.
func (s streams) note(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(s.err, "kxlab: %s\n", plain(fmt.Sprintf(format, args...)))
	}
}

// say writes a result that may hold words of the user's.
func (s streams) say(format string, args ...any) error {
	_, err := io.WriteString(s.out, plain(fmt.Sprintf(format, args...)))
	return err
}

// plain is a text whose control characters, but ends of lines and tabs, are question marks: paths may hold what a terminal would obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '?'
		}
		return r
	}, text)
}

// progress shows the progress of a run.
func (s streams) progress() *runner.Progress {
	if s.quiet {
		return runner.NewQuietProgress(s.err, s.columns)
	}
	return runner.NewProgress(s.err, s.columns)
}

// json writes a value as one indented document.
func (s streams) json(v any) error {
	e := json.NewEncoder(s.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table returns a writer that lines up columns separated by tabs; Flush it.
func (s streams) table() *tabwriter.Writer { return tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0) }
