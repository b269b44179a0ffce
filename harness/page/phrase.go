// SPDX-License-Identifier: Apache-2.0

package page

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"github.com/kxlab/kxlab/harness/unit"
	"github.com/kxlab/kxlab/harness/verdict"
)

// A form is how a sentence writes a quotient.
type form int

const (
	inWords   form = iota // the form that suits the quotient
	inTimes               // "a carries 2.84 times as many packets/s as b"
	inverse               // "b takes 32.6 times as long as a"
	inPercent             // "a makes 7.2 % more connections/s than b"
	inPoints              // a difference: "the served share of a is 1.47 points higher than that of b"
)

// formOf is the form that suits an effect. A quotient below a half is turned round; one whose interval holds 1 has no direction.
func formOf(v verdict.Against) form {
	m, lo, hi := v.Effect.Median, v.Effect.Lo, v.Effect.Hi
	switch {
	case v.Difference:
		return inPoints
	case m > 0 && m < 0.5 && hi < 1:
		return inverse
	case percents(v) && (lo >= 1 || hi <= 1):
		return inPercent
	}
	return inTimes
}

// verbs are what a variant does to a quantity that is counted; other quantities it has.
var verbs = map[string]string{"pkt": "carries", "conn": "makes", "req": "answers", "bit": "carries", "op": "does", "batch-op": "does", "insn": "executes"}

// kindOf is whether a unit is a time, and whether it is counted: an amount a second, or instructions.
func kindOf(name string) (time, counted bool) {
	head, per, _ := strings.Cut(name, "/")
	return head == "sec" || strings.HasSuffix(head, "-sec"), per == "s" || head == "insn"
}

// text says an effect as a sentence, with its interval: "xdp-nat carries 4.71 times [4.6, 4.8] as many packets/s as iptables". As one that
// goes on from such a sentence about the same variant it leaves out what that has said: "2.1 times [2.0, 2.2] as many as nftables".
func (e effect) text(baseline string, goesOn bool) string {
	name := e.panel.unit
	what, subject, object := unit.Words(name), e.variant.Name, baseline
	f := formOf(e.Against)
	if f == inverse {
		subject, object = object, subject
	}
	head, _, _ := strings.Cut(name, "/")
	time, counted := kindOf(name)
	amount, more := e.amount(f)
	begin := what + " of " + subject + " is "
	if counted {
		begin = subject + " " + cmp.Or(verbs[head], "has") + " "
	} else if time && f != inPoints {
		begin = subject + " takes "
	}
	if goesOn && f != inverse {
		begin, what = "", ""
	}
	choose := func(high, low string) string {
		if more {
			return high
		}
		return low
	}
	between := " that of "
	switch {
	case f == inPoints && amount == "":
		amount, between = "the same as", " that of "
	case f == inPoints, f == inPercent && !time && !counted:
		between = choose(" higher", " lower") + " than that of "
	case f == inPercent && time:
		between = choose(" longer", " less time") + " than "
	case f == inPercent:
		between = " " + strings.TrimSpace(choose("more ", "fewer ")+what) + " than "
	case time:
		between = " as long as "
	case counted:
		between = " " + strings.TrimSpace("as many "+what) + " as "
	}
	return begin + amount + between + object
}

// amount is an effect in a form, with its interval: "2.84 times [2.81, 4.33]", "7.2 % [2.6, 12.3]", "1.47 points [1.38, 1.48]"; more says
// whether the variant has more. Of a quotient that may lie on both sides of 1 the interval alone is said: "0.505 to 2.32 times". A difference
// that is 0 throughout has no amount.
func (e effect) amount(f form) (text string, more bool) {
	m, lo, hi := e.Effect.Median, e.Effect.Lo, e.Effect.Hi
	more = m >= 1
	switch {
	case f == inPoints && lo == 0 && hi == 0:
		return "", false
	case f == inPoints:
		if more = m >= 0; !more {
			m, lo, hi = -m, -hi, -lo
		}
		digits := func(x float64) string { return strings.TrimPrefix(verdict.DifferenceText(e.panel.unit, x), "+") }
		bare := func(x float64) string { n, _, _ := strings.Cut(digits(x), " "); return n }
		return fmt.Sprintf("%s [%s, %s]", digits(m), bare(lo), bare(hi)), more
	case f == inPercent:
		m, lo, hi = m-1, lo-1, hi-1
		if !more {
			m, lo, hi = -m, -hi, -lo
		}
		bare := func(x float64) string { return strings.TrimSuffix(unit.Percent(x, false), " %") }
		return fmt.Sprintf("%s %% [%s, %s]", bare(m), bare(lo), bare(hi)), more
	case f == inverse:
		m, lo, hi = 1/m, 1/hi, 1/lo
	case lo < 1 && hi > 1:
		return fmt.Sprintf("%s to %s times", unit.Digits(lo), unit.Digits(hi)), more
	}
	return fmt.Sprintf("%s times [%s, %s]", unit.Digits(m), unit.Digits(lo), unit.Digits(hi)), more
}

// brief is the effect without its interval in a list that a sentence in the given form begins: "tc-nat 1.64 times", "127 times as long as
// tc-nat", "tc-nat 4.7 % more".
func (e effect) brief(f form) string {
	v, name := e.Against, e.variant.Name
	if own := formOf(v); f == inWords || f == inPoints || own == inPoints || f == inPercent && own == inTimes {
		f = own
	}
	time, counted := kindOf(e.panel.unit)
	m, lo, hi := v.Effect.Median, v.Effect.Lo, v.Effect.Hi
	more, less, as := "higher", "lower", "that of "
	if counted {
		more, less, as = "more", "fewer", "as many as "
	} else if time && f != inPoints {
		more, less, as = "longer", "less", "as long as "
	}
	side := less
	switch {
	case f == inPoints && lo == 0 && hi == 0:
		return name + " the same"
	case f == inPoints:
		if m >= 0 {
			side = more
		}
		return fmt.Sprintf("%s %s %s", name, strings.TrimLeft(verdict.DifferenceText(e.panel.unit, m), "+-"), side)
	case f == inverse && m > 0:
		return fmt.Sprintf("%s times %s%s", unit.Digits(1/m), as, name)
	case f == inPercent:
		if m >= 1 {
			side = more
		}
		return fmt.Sprintf("%s %s %s", name, unit.Percent(math.Abs(m-1), false), side)
	case lo < 1 && hi > 1:
		return fmt.Sprintf("%s %s to %s times", name, unit.Digits(lo), unit.Digits(hi))
	}
	return fmt.Sprintf("%s %s times", name, unit.Digits(m))
}
