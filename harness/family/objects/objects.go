// SPDX-License-Identifier: Apache-2.0

// Package objects is the family of BPF objects: each trial loads an object without attaching it and reads the figures
// of the verifier and the JIT compiler.
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

// Family is the family of BPF objects of every kind: each trial loads an object, reads the kernel's figures and
// unloads the object. No program is attached or runs.
type Family struct{ Loader *bpfobj.Loader }

// Methods returns the only method: load an object and attach nothing.
func (Family) Methods() []string { return []string{methodLoad} }

// methodLoad is the method of variants of other experiments.
const methodLoad = "load"

// Workloads returns the name of the only workload.
func (Family) Workloads() []string { return []string{"load"} }

// Axes is empty: the family has no axes.
func (Family) Axes() []string { return nil }

// A stage holds the members of a group, none of them loaded.
type stage struct {
	loader  *bpfobj.Loader
	members []harness.Member
}

// Prepare stores the members.
func (f Family) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	return &stage{f.Loader, g.Members}, nil
}

// Absent is empty: the trial reports an object that cannot be loaded.
func (s *stage) Absent() map[string]error { return nil }

// Check does nothing: an object that the verifier refuses has no figures.
func (s *stage) Check(context.Context, string) error { return nil }

// objectsMTU is the largest IP packet of clients, bytes, as in the experiment lb.
const objectsMTU = 1500

// objectsSite returns the site of a balancer. Constants set before load decide which branches the verifier follows,
// so the site is the usual one and the same in every run.
func objectsSite() harness.Site {
	return harness.Site{
		Ifindex: 2, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, MTU: objectsMTU + 40, ClientMTU: objectsMTU, Seed: 1,
		Addr4: netip.MustParsePrefix("10.0.0.1/16"), Addr6: netip.MustParsePrefix("fd00::1/64"),
	}
}

// Measure loads the member's object and sums the figures over its programs; series hold those of each program.
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
		sum.Verified += p.Verified
		sum.Translated += p.Translated
		sum.Native += p.Native
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

// Close does nothing.
func (s *stage) Close() error { return nil }
