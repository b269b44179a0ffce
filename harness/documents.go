// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"errors"
)

// SecondDocument returns the line at which a second YAML document begins, with an error that says so; nil if the text has one at most.
// Readers of YAML stop behind the first and say nothing.
func SecondDocument(text []byte) (line int, err error) {
	begun, ended := false, false // the first document
	for l := range bytes.Lines(bytes.TrimPrefix(text, []byte("\ufeff"))) {
		line++
		l = bytes.TrimRight(l, " \t\r\n")
		head := bytes.HasPrefix(l, []byte("---")) && (len(l) == 3 || l[3] == ' ' || l[3] == '\t')
		bare := len(bytes.TrimLeft(l, " \t")) == 0 || bytes.TrimLeft(l, " \t")[0] == '#' || !begun && l[0] == '%'
		switch {
		case bytes.Equal(l, []byte("...")):
			ended = begun
		case begun && (head || ended && !bare):
			return line, errors.New("a second YAML document begins, and only the first of a file is read: give it a file of its own")
		case head || !bare:
			begun = true
		}
	}
	return 0, nil
}
