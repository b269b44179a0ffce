// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// An Attempt is what the verifier made of an object's one program.
type Attempt struct {
	Coll     *ebpf.Collection // nil: it was refused
	Refusal  string           // the verifier's message, its lines joined by "; "
	Verified int              // instructions that were processed
	Took     time.Duration    // by the verifier's own clock
}

// Close unloads the object.
func (a *Attempt) Close() error {
	if a.Coll != nil {
		a.Coll.Close()
	}
	return nil
}

// timeRE finds the verifier's time.
var timeRE = regexp.MustCompile(`^verification time ([0-9]+) usec`)

// Try loads an object with one program, without a log of instructions, which would count in the verifier's time. A refusal is no error.
// An error that wraps harness.ErrNotSupported means that the kernel lacks a helper, a kfunc or a kind of map.
func Try(object string, spec *ebpf.CollectionSpec, types *btf.Cache) (*Attempt, error) {
	coll, err := loadWithStatistics(spec, types)
	if err == nil {
		a := &Attempt{Coll: coll}
		for _, p := range coll.Programs {
			a.count(strings.Split(p.VerifierLog, "\n"))
		}
		return a, nil
	}
	var refusal *ebpf.VerifierError
	switch {
	case errors.As(err, &refusal) && !isTypes(refusal.Log):
		a := &Attempt{}
		a.count(refusal.Log)
		said := harness.Filter(refusal.Log, func(line string) bool {
			return !isStatistics(line) && !stateRE.MatchString(line) && !strings.HasPrefix(line, ";") && !strings.HasPrefix(line, "@")
		})
		if len(said) == 0 { // there is no log for what is refused before the verifier's work
			said = []string{refusal.Cause.Error()}
		}
		a.Refusal = strings.Join(said, "; ")
		return a, nil
	case errors.Is(err, ebpf.ErrNotSupported):
		return nil, harness.Skip("load %s: %v", object, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.EFAULT): // EFAULT: kernels up to 6.18 say so of too many jumps
		return &Attempt{Refusal: err.Error()}, nil
	}
	return nil, fmt.Errorf("load %s: %w", object, err)
}

// loadWithStatistics loads an object with the verifier's statistics as its program's log.
func loadWithStatistics(spec *ebpf.CollectionSpec, types *btf.Cache) (*ebpf.Collection, error) {
	if casts(spec) {
		return loadCasts(spec, types)
	}
	return ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats}, Cache: types})
}

// isTypes reports whether a log is about types, which are loaded before the program.
func isTypes(log []string) bool { return len(log) > 0 && strings.HasPrefix(log[0], "magic: ") }

// count reads the statistics of a log.
func (a *Attempt) count(log []string) {
	for _, line := range log {
		if m := processedRE.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			a.Verified += n
		}
		if m := timeRE.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			a.Took += time.Duration(n) * time.Microsecond
		}
	}
}
