// SPDX-License-Identifier: Apache-2.0

// Package unit writes values for people: it picks one scale for the values of a unit, and writes digits and shares. Records
// keep base units; reports and plots use this package.
package unit

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A Scale turns values in a base unit into readable numbers.
type Scale struct {
	Factor float64  // readable = value * factor
	Unit   string   // the text behind the number
	Words  []string // of a unit whose values 0, 1, … are words
}

// A step is the factor for values of at least from, with the prefix of the unit or the unit of time.
type step struct {
	from, factor float64
	name         string
}

var (
	steps     = []step{{1e9, 1e-9, "G"}, {1e6, 1e-6, "M"}, {1e3, 1e-3, "k"}, {1, 1, ""}}
	timeSteps = []step{{1, 1, "s"}, {1e-3, 1e3, "ms"}, {1e-6, 1e6, "µs"}, {0, 1e9, "ns"}}
)

// ScaleFor picks one scale for all values: the one that suits their geometric mean.
func ScaleFor(unit string, values []float64) Scale {
	mid := Middle(values)
	head, tail, _ := strings.Cut(unit, "/")
	if tail != "" {
		tail = "/" + tail
	}
	switch {
	case unit == harness.UnitFate:
		return Scale{Factor: 1, Unit: unit, Words: harness.Fates()}
	case head == "sec" || strings.HasSuffix(head, "-sec"):
		name := strings.TrimSuffix(strings.TrimSuffix(head, "sec"), "-")
		if name = cmp.Or(sizes[name], name); name != "" {
			name += " "
		}
		for _, s := range timeSteps {
			if mid >= s.from {
				return Scale{Factor: s.factor, Unit: name + s.name + tail}
			}
		}
	case head == "cpu-ns":
		if mid >= 1e4 {
			return Scale{Factor: 1e-3, Unit: "CPU µs" + tail}
		}
		return Scale{Factor: 1, Unit: "CPU ns" + tail}
	case strings.HasSuffix(unit, "share"):
		return Scale{Factor: 100, Unit: "%"}
	}
	name := strings.Replace(unit, "forced-switch/", involuntary+" switches/", 1)
	for _, s := range steps {
		if mid >= s.from && (s.name == "" || tail == "/s") {
			return Scale{Factor: s.factor, Unit: strings.TrimSpace(s.name + " " + name)}
		}
	}
	return Scale{Factor: 1, Unit: name}
}

// sizes are the parts of units of time that say after how much data.
var sizes = map[string]string{"10k": "10 kB,", "1m": "1 MB,"}

// involuntary is the kind of switches that a task does not ask for.
const involuntary = "involuntary context"

// Middle is the geometric mean of the positive values, or 1.
func Middle(values []float64) float64 {
	var sum float64
	n := 0
	for _, v := range values {
		if v > 0 {
			sum += math.Log(v)
			n++
		}
	}
	if n == 0 {
		return 1
	}
	return math.Exp(sum / float64(n))
}

// Column is the scale's text in a column in which several units stand, each a row: "p10 %" of p10-share.
func (s Scale) Column(unit string) string {
	if name, ok := strings.CutSuffix(unit, "-share"); ok {
		return name + " " + s.Unit
	}
	return s.Unit
}

// Format writes a value without its unit.
func (s Scale) Format(v float64) string {
	if i := int(v); float64(i) == v && i >= 0 && i < len(s.Words) {
		return s.Words[i]
	}
	if v < 1 && s.Unit == "%" { // what is lost of a whole shows
		return Beside(v*s.Factor, s.Factor)
	}
	return Digits(v * s.Factor)
}

// words are the parts of units that sentences spell otherwise.
var words = map[string]string{"pkt": "packet", "conn": "connection", "req": "request", "seg": "segment", "op": "operation", "insn": "instructions",
	"sec": "time", "cpu-ns": "CPU time", "rtt": "round trip", "retrans": "retransmitted", "wnd": "window", "runq": "run-queue wait", "forced": involuntary}

// Words is the quantity that a unit measures, as a sentence names it: "packets/s" of pkt/s, "time per packet" of sec/pkt, "p95 round trip"
// of p95-rtt-sec. Unknown parts stay as they are.
func Words(unit string) string {
	head, per, divided := strings.Cut(unit, "/")
	word := func(key string) string { return cmp.Or(words[key], key) }
	parts := strings.Split(head, "-")
	if size := sizes[parts[0]]; size != "" {
		return "time of " + strings.TrimSuffix(size, ",")
	}
	if head == "cpu-ns" {
		parts = []string{head}
	}
	last := len(parts) - 1
	switch key := parts[last]; {
	case last == 0:
	case key == "pkt" || key == "sec" && words[parts[last-1]] != "": // the queue, the round trip
		parts = parts[:last]
	case key == "B":
		parts[last] = "bytes"
	}
	text := strings.Join(harness.Map(parts, word), " ")
	switch {
	case per == "s" && strings.HasSuffix(text, "switch"):
		return text + "es/s"
	case per == "s" && text != "bit":
		return text + "s/s"
	case per == "s":
		return unit
	case divided:
		return text + " per " + word(per)
	}
	return text
}

// Long is from where on numbers are written with an exponent.
const Long = 1e15

// Digits writes about three significant digits, without an exponent from 0.001 to Long, and from 10,000 on with commas.
func Digits(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case a >= Long:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case a >= 1e4:
		return commas(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 100 || a != a:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a >= 0.001:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// Beside writes a value as Digits does, with as many digits more as show on which side of a figure it is: 1.2504 beside 1.25.
func Beside(v, figure float64) string {
	text := Digits(v)
	for digits := 4; v != figure && digits < 17; digits++ {
		if shown, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64); err != nil || shown != figure {
			break
		}
		text = strconv.FormatFloat(v, 'g', digits, 64)
	}
	return text
}

// commas writes the digits of a whole number in groups of three: -132,649.
func commas(text string) string {
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Percent writes a share as a percentage, with a sign if signed.
func Percent(v float64, signed bool) string {
	s := strconv.FormatFloat(100*v, 'f', 1, 64)
	if math.Abs(v) >= 1e8 {
		s = strconv.FormatFloat(100*v, 'g', 3, 64)
	}
	if signed && v >= 0 {
		s = "+" + s
	}
	return s + " %"
}

// OrDash returns s, or a dash if s is empty.
func OrDash(s string) string { return cmp.Or(s, "-") }
