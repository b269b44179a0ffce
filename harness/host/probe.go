// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// A Capability is one thing that this machine can or cannot do.
type Capability struct {
	What   string `json:"what"`
	Target string `json:"target"` // host, vm or exact
	For    string `json:"for"`    // what needs it
	// Methods are the attach methods that need it, if it is not needed by everything or by a way of measuring.
	Methods []string `json:"methods,omitempty"`
	OK      bool     `json:"ok"`
	// Vital says that nothing can run on the target without it.
	Vital  bool   `json:"vital"`
	Detail string `json:"detail,omitempty"` // version, place, or what went wrong
	Fix    string `json:"fix,omitempty"`    // the command that adds it, or what is needed
}

// probe is one row of the table.
type probe struct {
	what, needed, fix string
	methods           []string
	vital             bool
	inside            bool                                  // runs in a temporary network namespace
	try               func(context.Context) (string, error) // returns a detail, or why the capability is missing
}

// Probe tries everything that the lab needs on target host, and removes everything it makes. Its error is that of ctx.
func Probe(ctx context.Context) ([]Capability, error) {
	out := []Capability{attempt(ctx, probe{what: "root", needed: "everything", fix: "sudo", vital: true, try: root})}
	if !out[0].OK {
		return out, nil // every other probe would fail for the same reason
	}
	attemptAll := func(inside bool) {
		for _, p := range probes() {
			if p.inside == inside && ctx.Err() == nil {
				out = append(out, attempt(ctx, p))
			}
		}
	}
	attemptAll(false)
	sys.OnThread(func() {
		err := harness.Wrap(unix.Unshare(unix.CLONE_NEWNET), "make network namespace") // ends with the thread
		out = append(out, attempt(ctx, probe{
			what: "network namespaces", needed: "everything", fix: "a kernel with CONFIG_NET_NS; in a container: --privileged",
			vital: true, try: func(context.Context) (string, error) { return "", err },
		}))
		if err == nil {
			attemptAll(true)
		}
	})
	return out, ctx.Err()
}

func attempt(ctx context.Context, p probe) Capability {
	detail, err := p.try(ctx)
	c := Capability{
		What: p.what, Target: "host", For: p.needed, Methods: p.methods, OK: err == nil, Vital: p.vital, Detail: detail,
	}
	if len(p.methods) > 0 {
		c.For = "attach " + strings.Join(p.methods, ", ")
	}
	if err != nil {
		c.Detail, c.Fix = err.Error(), p.fix
	}
	return c
}

// Missing returns why variants of an attach method cannot run on target host, from the rows of Probe; "" if they can.
func Missing(rows []Capability, method string) string {
	for _, r := range rows {
		if r.Target == "host" && !r.OK && (r.Vital || slices.Contains(r.Methods, method)) {
			return r.What + ": " + r.Detail
		}
	}
	return ""
}

func root(context.Context) (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("namespaces and BPF programs need root")
	}
	return "", nil
}

// RequireRoot returns an error with its remedy unless the caller is root. It wraps harness.ErrNotSupported.
func RequireRoot() error {
	if _, err := root(context.Background()); err != nil {
		return harness.Skip("%w: use sudo", err)
	}
	return nil
}

// unsupported says what an error of the kernel means: what is not supported.
func unsupported(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", harness.Skip("%s", what), err)
}
