// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"reflect"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// A runFolder is a run directory that is read. Its origin is not trusted: only regular files inside it are opened, never a FIFO or a
// device, whose reading has no end, and never what a link out of it leads to.
type runFolder struct{ root *os.Root }

// Open opens a regular file of the folder.
func (d runFolder) Open(name string) (fs.File, error) {
	f, err := OpenRegular(d.root, name)
	if kind := (*KindError)(nil); errors.As(err, &kind) {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// A KindError is about a name that is there, and is not that of a regular file of its folder.
type KindError struct{ Name, Is string }

func (e *KindError) Error() string { return e.Name + " " + e.Is }

// OpenRegular opens a regular file of a folder for reading. O_NONBLOCK lets the open of a FIFO return, so that its kind can be seen. The error is a
// *KindError for another kind of file, or a link out of the folder.
func OpenRegular(root *os.Root, name string) (*os.File, error) {
	const other, out = "is not a regular file", "leads out of the directory, or nowhere"
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		st, lerr := root.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) || lerr != nil:
			return nil, err
		case st.Mode()&fs.ModeSymlink != 0:
			return nil, &KindError{name, out}
		case !st.Mode().IsRegular():
			return nil, &KindError{name, other}
		}
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &KindError{name, other}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadFile reads a regular file of the folder.
func (d runFolder) ReadFile(name string) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// wrongType says of which type a value in JSON is, and of which it has to be. It is nil for every other error.
func wrongType(err error) error {
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return nil
	}
	names := map[reflect.Kind]string{reflect.String: "a string", reflect.Bool: "true or false", reflect.Slice: "an array", reflect.Map: "an object", reflect.Struct: "an object"}
	is := map[string]string{"object": "an object", "array": "an array", "bool": "true or false"}
	field, value := cmp.Or(t.Field, "all of it"), strings.Fields(t.Value)[0] // "number 1.5"
	return fmt.Errorf("%s is %s, want %s", field, cmp.Or(is[value], "a "+value), cmp.Or(names[t.Type.Kind()], "a number"))
}

// checkLines returns an error for a line of bench.txt that is none of the format: those the library's reader passes over in silence.
func checkLines(data []byte) error {
	n := 0
	for raw := range bytes.Lines(data) {
		n++
		line := strings.TrimSuffix(string(raw), "\n")
		if !isLine(line) {
			if len(line) > 40 {
				line = strings.ToValidUTF8(line[:40], "") + "…"
			}
			return fmt.Errorf("%s:%d: %q is no line of the format", benchFile, n, line)
		}
	}
	return nil
}

// isLine reports whether a line is empty, a trial, a unit's metadata or a file key.
func isLine(line string) bool {
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		return false
	}
	if line == "" || strings.HasPrefix(line, "Benchmark") || strings.HasPrefix(line, "Unit ") {
		return true
	}
	key, _, ok := strings.Cut(line, ":")
	return ok && key != "" && !strings.ContainsFunc(key, func(r rune) bool { return unicode.IsUpper(r) || unicode.IsSpace(r) })
}

// The least and the largest magnitude of a measured value but 0, in base units. No quantity of the lab is near either, and squares and
// quotients of values between them are finite.
const (
	leastValue = 1e-100
	mostValue  = 1e100
)

// checkValue returns an error for what no measurement can give.
func checkValue(unit string, v float64) error {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return fmt.Errorf("%v %s is not a number", v, unit)
	case v < 0 && !signed(unit):
		return fmt.Errorf("%v %s: it cannot be negative", v, unit)
	case v != 0 && (a < leastValue || a > mostValue):
		return fmt.Errorf("%v %s: no measurement gives that", v, unit)
	}
	return nil
}

// signed reports whether a unit can be negative: the loop's own cost is taken off the cost of a run of a program by itself, so
// that a program that does nothing comes out on either side of 0. Times, rates, counts and shares cannot be negative. A share can be
// above 1, as a relative deviation.
func signed(unit string) bool { return strings.HasSuffix(unit, "/run") }
