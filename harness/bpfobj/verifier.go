// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness"
)

// Bounds of what is shown of a verifier's log.
const (
	logLines = 16  // instructions and source lines before the verdict
	logWidth = 160 // bytes a line
)

// lacks are the words with which a load fails on a kernel that does not know what a program asks for, where the
// library reports no error of its own for it.
var lacks = [...]string{
	"invalid func unknown#", // a helper
	"unknown kfunc",
	"invalid kernel function call not eliminated", // a kfunc of which the kernel has no form
	"bad CO-RE relocation",                        // a field or type of the kernel
}

// explainLoad turns the error of loading an object into one for people: a feature that the kernel lacks wraps
// harness.ErrNotSupported, a refusal of the verifier shows the end of its log.
func explainLoad(object string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ebpf.ErrNotSupported) {
		return harness.Skip("load %s: this kernel lacks a feature: %v", object, err)
	}
	var refusal *ebpf.VerifierError
	if !errors.As(err, &refusal) {
		return fmt.Errorf("load %s: %w", object, err)
	}
	text := err.Error() + "\n" + strings.Join(lastLines(refusal.Log, 4), "\n")
	for _, l := range lacks {
		if strings.Contains(text, l) {
			return harness.Skip("load %s: this kernel lacks a feature: %v", object, err)
		}
	}
	return &refused{object: object, err: err, log: relevant(refusal.Log)}
}

// A refused error is a program that the verifier does not accept.
type refused struct {
	object string
	err    error
	log    []string
}

func (r *refused) Error() string {
	return fmt.Sprintf("load %s: %v\n\t%s", r.object, r.err, strings.Join(r.log, "\n\t"))
}

func (r *refused) Unwrap() error { return r.err }

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
