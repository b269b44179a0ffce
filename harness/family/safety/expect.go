// SPDX-License-Identifier: Apache-2.0

package safety

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A version is a kernel's: major and minor.
type version [2]int

// parseVersion reads the beginning of a kernel's release, "7.2" of "7.2.12+deb14-cloud-amd64".
func parseVersion(release string) (v version, err error) {
	if n, _ := fmt.Sscanf(release, "%d.%d", &v[0], &v[1]); n != 2 {
		return v, fmt.Errorf("kernel %q: want a version, such as 6.12", release)
	}
	return v, nil
}

func (v version) compare(o version) int {
	return cmp.Or(cmp.Compare(v[0], o[0]), cmp.Compare(v[1], o[1]))
}

func (v version) String() string { return fmt.Sprintf("%d.%d", v[0], v[1]) }

// An expectation is what a kernel makes of a fault, as it is recorded beside it.
type expectation struct {
	by    string  // of the axis
	since version // the first kernel of which it is true
	fate  harness.Fate
	value *uint32 // what a harmless program returns; nil: anything
	words string  // part of the kernel's message
}

// expectRE matches an expectation: "BY[@SINCE] FATE[ VALUE][: WORDS]".
var expectRE = regexp.MustCompile(`^([a-z]+)(?:@([0-9.]+))? ([a-z]+)(?: ([0-9]+))?(?:: (.+))?$`)

// parseExpectation reads an expectation.
func parseExpectation(text string) (e expectation, err error) {
	m := expectRE.FindStringSubmatch(text)
	if m == nil {
		return e, fmt.Errorf("expectation %q: want BY[@SINCE] FATE[ VALUE][: WORDS]", text)
	}
	e.by, e.words = m[1], m[5]
	if m[2] != "" {
		e.since, err = parseVersion(m[2])
	}
	if err == nil {
		e.fate, err = harness.ParseFate(m[3])
	}
	if err == nil {
		err = harness.Known(axisBy, e.by, Family{}.ways())
	}
	if err == nil && m[4] != "" {
		var n uint64
		n, err = strconv.ParseUint(m[4], 10, 32)
		value := uint32(n)
		e.value = &value
	}
	return e, harness.Wrap(err, "expectation %q", text)
}

// parseExpectations reads the expectations of a fault. Two lines that say different things of the same kernels are an error.
func parseExpectations(texts []string) (out []expectation, err error) {
	for i, text := range texts {
		e, err := parseExpectation(text)
		if err != nil {
			return nil, err
		}
		for k, had := range out {
			if had.by == e.by && had.since == e.since && texts[k] != text {
				return nil, fmt.Errorf("expectations %q and %q contradict each other: keep one, or say from which kernel on one is true (BY@SINCE)", texts[k], texts[i])
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// errNone means that no expectation is recorded.
var errNone = errors.New(`no expectation is recorded: say what becomes of the fault, as in EXPECT("root refused: WORDS")`)

// expected is what a kernel is expected to do, by the newest line that is not newer than the kernel. For bpf it is what is said of root
// unless a line says otherwise. A kernel older than all lines lacks what the fault needs.
func expected(all []expectation, by string, kernel version) (expectation, error) {
	own := harness.Filter(all, func(e expectation) bool { return e.by == by })
	if len(own) == 0 && by == byBPF {
		own = harness.Filter(all, func(e expectation) bool { return e.by == byRoot })
	}
	if len(own) == 0 {
		return expectation{}, errNone
	}
	slices.SortStableFunc(own, func(a, b expectation) int { return a.since.compare(b.since) })
	for _, e := range slices.Backward(own) {
		if e.since.compare(kernel) <= 0 {
			return e, nil
		}
	}
	return expectation{}, harness.Skip("kernel %v lacks what it needs, which came with %v", kernel, own[0].since)
}

// A found is what a kernel did with a fault.
type found struct {
	fate  harness.Fate
	value *uint32 // what a program returned
	words string  // the kernel's message
	text  string  // more of it; "": there is no more
}

func (f found) String() string {
	s := f.fate.String()
	if f.value != nil {
		s += fmt.Sprintf(", returned %d", *f.value)
	}
	if f.words != "" {
		s += ": " + f.words
	}
	return s
}

// judge returns an error if a kernel did something else than is recorded.
func (e expectation) judge(f found) error {
	want := found{fate: e.fate, value: e.value, words: e.words}
	said := strings.Contains(f.words, e.words) || strings.Contains(f.text, e.words)
	same := e.fate == f.fate && said && (e.value == nil || f.value != nil && *e.value == *f.value)
	if same {
		return nil
	}
	return fmt.Errorf("expected %v, found %v", want, f)
}

// loaded is what is expected where nothing is run.
func (e expectation) loaded() expectation {
	if e.fate == harness.FateRefused {
		return e
	}
	return expectation{by: e.by, since: e.since, fate: harness.FateAccepted}
}
