// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/harness"
)

// Bounds of the part of a verifier's log in an error.
const (
	logLines = 16  // instructions and source lines before the last line
	logWidth = 160 // bytes a line
)

// loggedMax is the most instructions whose verification is logged. The verifier writes a line or more for each, every time that it
// passes: those of an endless loop, a million, take half a minute.
const loggedMax = 100_000

// processedRE finds the number of instructions that the verifier processed, helperRE the number of a helper that the kernel lacks, kfuncRE
// the name of a kfunc that the library did not find.
var (
	processedRE = regexp.MustCompile(`^processed ([0-9]+) insns`)
	helperRE    = regexp.MustCompile(`invalid func unknown#([0-9]+)`)
	kfuncRE     = regexp.MustCompile(`kfunc "([^"]+)": not supported`)
)

// missingKfuncTexts are the kernel's messages for a call of a kfunc that it lacks in every form.
var missingKfuncTexts = [...]string{"unknown kfunc", "invalid kernel function call not eliminated"}

// newCollection loads a specification. If the verifier rejects it, the error has the verifier's messages, and the log of all
// instructions if they are at most loggedMax: the object is loaded once more for each.
func newCollection(spec *ebpf.CollectionSpec, types *btf.Cache) (*ebpf.Collection, error) {
	load := func(o ebpf.ProgramOptions) (*ebpf.Collection, error) {
		return ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: o, Cache: types})
	}
	coll, err := load(ebpf.ProgramOptions{LogDisabled: true})
	if err == nil {
		return coll, nil
	}
	coll, err = load(ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats})
	if err == nil { // as memory may be short once
		return coll, nil
	}
	if n := processed(err); n > loggedMax {
		return nil, fmt.Errorf("%w: the log of %s is left out", err, harness.Plural(n, "instruction"))
	}
	return load(ebpf.ProgramOptions{})
}

// processed is how many instructions the verifier processed before an error; 0 if it does not say.
func processed(err error) int {
	var refusal *ebpf.VerifierError
	if !errors.As(err, &refusal) {
		return 0
	}
	for _, line := range refusal.Log {
		if m := processedRE.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			return n
		}
	}
	return 0
}

// explainLoad adds the cause to the error of loading an object. The error for a feature that only another kernel has
// wraps harness.ErrNotSupported. Every other error is the program's fault; the verifier's comes with the end of its log.
// own are the object's types.
func explainLoad(object string, own *btf.Spec, err error) error {
	if m := kfuncRE.FindStringSubmatch(err.Error()); m != nil && errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("load %s: %w", object, missingKfunc(m[1], "is not in this kernel"))
	}
	if err := explainOptions(object, err); err != nil {
		return err
	}
	if errors.Is(err, ebpf.ErrNotSupported) {
		return harness.Skip("load %s: this kernel lacks a feature: %v", object, err)
	}
	var refusal *ebpf.VerifierError
	if !errors.As(err, &refusal) {
		return fmt.Errorf("load %s: %w", object, err)
	}
	refused := &refusalError{object: object, err: err, said: summarize(err, refusal), log: logEnd(refusal.Log)}
	text := err.Error() + "\n" + strings.Join(refusal.Log[max(0, len(refusal.Log)-4):], "\n")
	if m := helperRE.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && knownHelper(n) {
			return harness.Skip("load %s: this kernel lacks the helper %v", object, asm.BuiltinFunc(n))
		}
		return refused
	}
	if slices.ContainsFunc(missingKfuncTexts[:], func(s string) bool { return strings.Contains(text, s) }) {
		if unknown := unknownKfuncs(own); len(unknown) > 0 {
			return fmt.Errorf("load %s: %w", object, missingKfunc(unknown[0], "is not in this kernel"))
		}
		return harness.Skip("load %s: this kernel lacks a kfunc: %v", object, err)
	}
	return refused
}

// A refusalError says that the verifier rejected a program.
type refusalError struct {
	object string
	err    error
	said   string // the error with the verifier's message
	log    []string
}

func (r *refusalError) Error() string {
	return fmt.Sprintf("load %s: %s\n\t%s", r.object, r.said, strings.Join(r.log, "\n\t"))
}

func (r *refusalError) Unwrap() error { return r.err }

// stateRE matches a line of registers, which may follow the verifier's message: "old state: R1=ctx() R10=fp0", "from 3 to 5: R0=1".
var stateRE = regexp.MustCompile(`^((cur|old) state:|mark_precise: |((from )?[0-9]+( to [0-9]+)?: )?(frame[0-9]+: ?)?R[0-9]+(_[a-z]+)?=)`)

// summarize returns the text of an error with the verifier's message: the last line of the log that is neither a state nor a statistic.
// The library takes the last line that does not begin with "processed".
func summarize(err error, refusal *ebpf.VerifierError) string {
	n := len(refusal.Log)
	for n > 0 && (isStatistics(refusal.Log[n-1]) || stateRE.MatchString(refusal.Log[n-1])) {
		n--
	}
	if n == 0 {
		return err.Error()
	}
	short := *refusal
	short.Log = refusal.Log[:n]
	return strings.Replace(err.Error(), refusal.Error(), short.Error(), 1)
}

// logEnd returns the end of a verifier's log: its last line, the instructions before it and the source line they belong
// to. Statistics are left out and long lines cut.
func logEnd(log []string) []string {
	for len(log) > 0 && isStatistics(log[len(log)-1]) {
		log = log[:len(log)-1]
	}
	from := max(0, len(log)-logLines)
	var shown []string
	if from > 0 {
		shown = append(shown, fmt.Sprintf("… (%s above)", harness.Plural(from, "line")))
		source := from
		for source >= 0 && !strings.HasPrefix(log[source], ";") {
			source--
		}
		if source >= 0 && source < from {
			shown = append(shown, cut(log[source]))
		}
	}
	for _, line := range log[from:] {
		shown = append(shown, cut(line))
	}
	return shown
}

// isStatistics is true for the lines of statistics at the end of a log.
func isStatistics(line string) bool {
	return strings.TrimSpace(line) == "" ||
		slices.ContainsFunc([]string{"processed ", "verification time ", "stack depth ", "insns processed "}, func(prefix string) bool {
			return strings.HasPrefix(line, prefix)
		})
}

func cut(line string) string {
	if len(line) <= logWidth {
		return line
	}
	return strings.ToValidUTF8(line[:logWidth], "") + " …"
}
