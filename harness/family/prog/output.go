// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// An Output is what a program made of an input.
type Output struct {
	Value   uint32 // the return value
	Data    []byte // the packet; of a flow dissector the flow keys
	Context []byte // after the run
}

// same reports whether two outputs are equal but for the return value.
func (o Output) sameBytes(p Output) bool {
	return bytes.Equal(o.Data, p.Data) && bytes.Equal(o.Context, p.Context)
}

// outputName begins the name of the series that holds an output in the record.
const outputName = "output"

// Series is the output as it stands in samples.jsonl: the return value as Y, and the bytes in hex as Notes.
func (o Output) Series() harness.Series {
	return harness.Series{Name: outputName, Unit: "value", Y: []float64{float64(o.Value)},
		Notes: fmt.Sprintf("data=%x context=%x", o.Data, o.Context)}
}

// ReadOutput reads an output from a series of a record; ok is false if the series holds none.
func ReadOutput(s harness.Series) (o Output, ok bool) {
	if s.Name != outputName || len(s.Y) != 1 {
		return o, false
	}
	data, context, ok := strings.Cut(strings.TrimPrefix(s.Notes, "data="), " context=")
	var err1, err2 error
	o.Data, err1 = hex.DecodeString(data)
	o.Context, err2 = hex.DecodeString(context)
	o.Value = uint32(s.Y[0])
	return o, ok && err1 == nil && err2 == nil
}

// Difference says how two outputs differ, or "" if they are equal.
func (k Kind) Difference(a, b Output) string {
	var out []string
	if a.Value != b.Value {
		out = append(out, fmt.Sprintf("returns %s | %s", k.Value(a.Value), k.Value(b.Value)))
	}
	what := "packet"
	if !k.returnsPacket {
		what = "flow keys"
	}
	for _, part := range []struct {
		what string
		a, b []byte
	}{{what, a.Data, b.Data}, {"context", a.Context, b.Context}} {
		if text := firstDifference(part.what, part.a, part.b); text != "" {
			out = append(out, text)
		}
	}
	return strings.Join(out, "; ")
}

// firstDifference names the first byte in which two outputs differ.
func firstDifference(what string, a, b []byte) string {
	if bytes.Equal(a, b) {
		return ""
	}
	text := what
	if len(a) != len(b) {
		text += fmt.Sprintf(" has %d | %d bytes,", len(a), len(b))
	}
	at := func(p []byte, i int) string {
		if i >= len(p) {
			return "none"
		}
		return fmt.Sprintf("0x%02x", p[i])
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("%s byte %d is %s | %s", text, i, at(a, i), at(b, i))
}

// A Size is what the kernel made of a program.
type Size struct {
	Program          string
	Verified, Native int // instructions that the verifier processed, bytes of machine code
}

// sizeName is the name of the series of a size.
const sizeName = "size"

// Series is the size as it stands in samples.jsonl.
func (s Size) Series() harness.Series {
	return harness.Series{Name: sizeName, Unit: "insn", Y: []float64{float64(s.Verified), float64(s.Native)}, Notes: s.Program}
}

// ReadSizes reads the sizes from the series of a trial.
func ReadSizes(all []harness.Series) (out []Size) {
	for _, s := range all {
		if s.Name == sizeName && len(s.Y) == 2 {
			out = append(out, Size{s.Notes, int(s.Y[0]), int(s.Y[1])})
		}
	}
	return out
}
