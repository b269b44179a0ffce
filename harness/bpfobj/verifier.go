// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/harness"
)

// Bounds of what is shown of a verifier's log.
const (
	logLines = 16  // instructions and source lines before the verdict
	logWidth = 160 // bytes a line
)

// helperRE finds the number of a helper that the kernel does not have, and kfuncRE the name of a kfunc that the library did
// not find in it.
var (
	helperRE = regexp.MustCompile(`invalid func unknown#([0-9]+)`)
	kfuncRE  = regexp.MustCompile(`kfunc "([^"]+)": not supported`)
)

// noForm are the words with which a load fails that calls a kfunc of which the kernel has no form.
var noForm = [...]string{"unknown kfunc", "invalid kernel function call not eliminated"}

// explainLoad turns the error of loading an object into one for people. A feature that the kernel lacks and another one has
// wraps harness.ErrNotSupported. All else is the program's fault; a refusal of the verifier shows the end of its log. own is
// what the object says of its types.
func explainLoad(object string, own *btf.Spec, err error) error {
	if err == nil {
		return nil
	}
	if m := kfuncRE.FindStringSubmatch(err.Error()); m != nil && errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("load %s: %w", object, noKfunc(m[1], "is not in this kernel"))
	}
	if errors.Is(err, ebpf.ErrNotSupported) {
		return harness.Skip("load %s: this kernel lacks a feature: %v", object, err)
	}
	var refusal *ebpf.VerifierError
	if !errors.As(err, &refusal) {
		return fmt.Errorf("load %s: %w", object, err)
	}
	refused := &refusalError{object: object, err: err, log: relevant(refusal.Log)}
	text := err.Error() + "\n" + strings.Join(lastLines(refusal.Log, 4), "\n")
	if m := helperRE.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && knownHelper(n) {
			return harness.Skip("load %s: this kernel lacks the helper %v", object, asm.BuiltinFunc(n))
		}
		return refused
	}
	for _, words := range noForm {
		if !strings.Contains(text, words) {
			continue
		}
		if none := strangers(own); len(none) > 0 {
			return fmt.Errorf("load %s: %w", object, noKfunc(none[0], "is not in this kernel"))
		}
		return harness.Skip("load %s: this kernel lacks a kfunc: %v", object, err)
	}
	return refused
}

// A refusalError says that the verifier rejected a program.
type refusalError struct {
	object string
	err    error
	log    []string
}

func (r *refusalError) Error() string {
	return fmt.Sprintf("load %s: %v\n\t%s", r.object, r.err, strings.Join(r.log, "\n\t"))
}

func (r *refusalError) Unwrap() error { return r.err }

// relevant returns what decides of a verifier's log: the verdict, the last instructions before it, and the source line
// that they belong to. Statistics are left out and long lines of register states cut.
func relevant(log []string) []string {
	end := len(log)
	for end > 0 && isStatistics(log[end-1]) {
		end--
	}
	log = log[:end]
	from := max(0, len(log)-logLines)
	shown := make([]string, 0, logLines+2)
	if from > 0 {
		source := from
		for source >= 0 && !strings.HasPrefix(log[source], ";") {
			source--
		}
		shown = append(shown, fmt.Sprintf("… (%d lines above)", from))
		if source >= 0 && source < from {
			shown = append(shown, cut(log[source]))
		}
	}
	for _, line := range log[from:] {
		shown = append(shown, cut(line))
	}
	return shown
}

// isStatistics reports whether a line of the log is one of the counts at its end.
func isStatistics(line string) bool {
	for _, prefix := range [...]string{"processed ", "verification time ", "stack depth ", "insns processed "} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return strings.TrimSpace(line) == ""
}

func cut(line string) string {
	if len(line) <= logWidth {
		return line
	}
	return strings.ToValidUTF8(line[:logWidth], "") + " …"
}

func lastLines(log []string, n int) []string { return log[max(0, len(log)-n):] }
