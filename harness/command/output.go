// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

const (
	// outputMax is what a variant's programs may print in all, bytes. A program that prints more is ended.
	outputMax = 4 << 20
	// outputKept is how much of its beginning and of its end is kept, bytes each.
	outputKept = 1 << 10
	// readyLine is the line by which a program says that the variant is in force.
	readyLine = "ready"
)

// An output is what programs printed. It is safe for concurrent use.
type output struct {
	mu    sync.Mutex
	total int64
	head  []byte
	tail  []byte
	line  []byte        // the last line so far, at most as long as readyLine and one byte
	ready chan struct{} // closed when readyLine came
	said  bool
}

func newOutput() *output { return &output{ready: make(chan struct{})} }

// read takes what comes from a pipe until its end, and closes it. After outputMax it calls flood and reads no more, so that the writer gets
// SIGPIPE.
func (o *output) read(r *os.File, flood func()) {
	defer r.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if !o.add(buf[:n]) {
			flood()
			return
		}
		if err != nil {
			return
		}
	}
}

// add takes a piece. It returns false after outputMax.
func (o *output) add(b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.total += int64(len(b))
	o.listen(b)
	n := min(len(b), outputKept-len(o.head))
	o.head = append(o.head, b[:n]...)
	o.tail = append(o.tail, b[n:]...)
	if over := len(o.tail) - outputKept; over > 0 {
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
	return o.total <= outputMax
}

// listen looks for readyLine.
func (o *output) listen(b []byte) {
	for _, c := range b {
		if c != '\n' {
			if len(o.line) <= len(readyLine) {
				o.line = append(o.line, c)
			}
			continue
		}
		if string(o.line) == readyLine && !o.said {
			o.said = true
			close(o.ready)
		}
		o.line = o.line[:0]
	}
}

// isFlood reports whether more than outputMax was printed.
func (o *output) isFlood() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.total > outputMax
}

// linesKept is how many lines of the beginning and of the end String has, each.
const linesKept = 5

// String is what was printed, with what was left out of its middle, and control characters but line ends as spaces.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	head, tail := o.head, o.tail
	if int64(len(head)+len(tail)) == o.total { // nothing is lost between them
		head = slices.Concat(o.head, o.tail)
		tail = head
	}
	lines, ends := bytes.SplitAfter(head, []byte("\n")), bytes.SplitAfter(bytes.TrimRight(tail, "\n"), []byte("\n"))
	first := bytes.Join(lines[:min(linesKept, len(lines))], nil)
	last := bytes.Join(ends[max(0, len(ends)-linesKept):], nil)
	text := string(head)
	if cut := o.total - int64(len(first)+len(last)); cut > 1 { // one is the last line end
		text = fmt.Sprintf("%s\n… %d bytes …\n%s", bytes.TrimSpace(first), cut, last)
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.TrimSpace(text)
}
