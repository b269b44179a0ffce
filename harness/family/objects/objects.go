// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// Objects is the family of BPF objects as such, of whatever kind: each is loaded, asked what the kernel made of it, and
// unloaded again. Nothing is attached and nothing runs.
type Family struct{ Loader *bpfobj.Loader }

// Methods is the one way: an object is loaded and attached to nothing.
func (Family) Methods() []string { return []string{methodLoad} }

// methodLoad is how variants of other experiments take part.
const methodLoad = "load"

// objectsLoad is the family's one workload.
const objectsLoad = "load"

// Workloads names it.
func (Family) Workloads() []string { return []string{objectsLoad} }

// Axes are none.
func (Family) Axes() []string { return nil }

// objectsStage holds the members of a group, none of them loaded.
type stage struct {
	loader  *bpfobj.Loader
	members []harness.Member
}

// Prepare takes note of the members.
func (f Family) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	return &stage{f.Loader, g.Members}, nil
}

// Absent is empty: what cannot be loaded is found by its trial.
func (s *stage) Absent() map[string]error { return nil }

// Check has nothing to check: what the verifier refuses has no number.
func (s *stage) Check(context.Context, string) error { return nil }

// objectsMTU is the largest IP packet of clients, bytes, as in the experiment lb.
const objectsMTU = 1500

// objectsSite is where a balancer would stand. What is fixed before load decides which branches the verifier follows, so
// it is a balancer's usual place, and the same in every run.
func objectsSite() harness.Site {
	return harness.Site{
		Ifindex: 2, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, MTU: objectsMTU + 40, ClientMTU: objectsMTU, Seed: 1,
		Addr4: netip.MustParsePrefix("10.0.0.1/16"), Addr6: netip.MustParsePrefix("fd00::1/64"),
	}
}

// Measure loads the member's object and sums over its programs; a series holds each.
func (s *stage) Measure(_ context.Context, c harness.Cell, _ harness.Budget) (r harness.Result, err error) {
	i := slices.IndexFunc(s.members, func(m harness.Member) bool { return m.Name == c.Variant })
	if i < 0 {
		return r, fmt.Errorf("no member %q in this group", c.Variant)
	}
	loaded, err := s.loader.Load(s.members[i].Variant, objectsSite())
	if err != nil {
		return r, harness.SetupError(fmt.Errorf("load variant %s: %w", c.Variant, err))
	}
	defer func() { err = errors.Join(err, loaded.Close()) }()
	programs, err := loaded.Programs()
	if err != nil {
		return r, err
	}
	verified := harness.Series{Name: "verified", Unit: "insn"}
	jited := harness.Series{Name: "jited", Unit: "B"}
	var sum bpfobj.Program
	for _, p := range programs {
		sum.Verified, sum.Translated, sum.Native = sum.Verified+p.Verified, sum.Translated+p.Translated, sum.Native+p.Native
		verified.Y, jited.Y = append(verified.Y, float64(p.Verified)), append(jited.Y, float64(p.Native))
		verified.Notes += p.Name + " "
	}
	jited.Notes = verified.Notes
	r.Iterations = 1
	r.Series = []harness.Series{verified, jited}
	r.Metrics = []harness.Metric{
		{Unit: "verified-insn", Value: float64(sum.Verified)},
		{Unit: "xlated-insn", Value: float64(sum.Translated)},
		{Unit: "jited-B", Value: float64(sum.Native)},
	}
	return r, nil
}

// Close has nothing to undo.
func (s *stage) Close() error { return nil }
