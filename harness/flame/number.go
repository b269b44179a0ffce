// SPDX-License-Identifier: Apache-2.0

package flame

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// number is a value with three significant digits, thousands apart.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 0.001:
		return strconv.FormatFloat(v, 'g', 2, 64)
	case a < 100:
		return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Floor(math.Log10(a)))), 64)
	}
	digits := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if v < 0 {
		return "-" + digits
	}
	return digits
}

func signed(v float64) string {
	if v > 0 {
		return "+" + number(v)
	}
	return number(v)
}

// amount is a value in a unit: "1,290 ns a packet".
func amount(v float64, unit string) string {
	of, per, ok := strings.Cut(unit, "/")
	words := map[string]string{"insn": "instructions", "pkt": "packet", "conn": "connection", "req": "request", "op": "operation", "seg": "segment", "s": "second"}
	word := func(w string) string {
		if long, known := words[w]; known {
			return long
		}
		return w
	}
	text := number(v) + " " + word(of)
	if ok {
		text += " a " + word(per)
	}
	return text
}

// percent is a part as a share of a whole.
func percent(part, whole float64) string {
	if whole == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.1f %%", 100*part/whole)
}

// change is B against A, in percent or as a factor.
func change(a, b float64) string {
	switch {
	case a <= 0 || b <= 0:
		return "no comparison"
	case b > 2*a:
		return fmt.Sprintf("%.1f times A", b/a)
	}
	return fmt.Sprintf("%+.1f %%", 100*(b/a-1))
}

// upper is a text that begins a sentence.
func upper(text string) string {
	r, n := utf8.DecodeRuneInString(text)
	if n == 0 {
		return text
	}
	return string(unicode.ToUpper(r)) + text[n:]
}
