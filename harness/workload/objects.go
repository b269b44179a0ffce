// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/kxlab/kxlab/harness"
)

// Objects is the family of BPF objects as such, of whatever kind: each is loaded, asked what the kernel made of it, and
// unloaded again. Nothing is attached and nothing runs.
type Objects struct{}

// objectsLoad is the family's one workload.
const objectsLoad = "load"

// Workloads names it.
func (Objects) Workloads() []string { return []string{objectsLoad} }

// Axes are none.
func (Objects) Axes() []string { return nil }

// objectsStage holds the members of a group, none of them loaded.
type objectsStage struct{ members []harness.Member }

// Prepare takes note of the members.
func (Objects) Prepare(_ context.Context, g harness.Group) (harness.Stage, error) {
	return &objectsStage{g.Members}, nil
}

// Absent is empty: what cannot be loaded here is a skip of its trial.
func (s *objectsStage) Absent() map[string]string { return nil }

// Check has nothing to check: what the verifier refuses has no number.
func (s *objectsStage) Check(context.Context, string) error { return nil }

// objectsSite is where a balancer would stand. What is fixed before load decides which branches the verifier follows, so
// it is a balancer's usual place, and the same in every run.
func objectsSite() harness.Site {
	return harness.Site{
		Ifindex: 2, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, MTU: clientMTU + 40, ClientMTU: clientMTU, Seed: 1,
		Addr4: netip.MustParsePrefix("10.0.0.1/16"), Addr6: netip.MustParsePrefix("fd00::1/64"),
	}
}

// Measure loads the member's object and sums over its programs; a series holds each.
func (s *objectsStage) Measure(ctx context.Context, c harness.Cell, _ harness.Budget) (r harness.Result, err error) {
	i := slices.IndexFunc(s.members, func(m harness.Member) bool { return m.Name == c.Variant })
	if i < 0 {
		return r, fmt.Errorf("no member %q in this group", c.Variant)
	}
	extension, err := s.members[i].Put(ctx, objectsSite())
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, extension.Close()) }()
	loaded, ok := extension.(harness.Loaded)
	if !ok {
		return r, fmt.Errorf("%s is not only loaded", c.Variant)
	}
	programs, err := loaded.Programs()
	if err != nil {
		return r, err
	}
	verified := harness.Series{Name: "verified", Unit: "insn"}
	jited := harness.Series{Name: "jited", Unit: "B"}
	var sum harness.Program
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
func (s *objectsStage) Close() error { return nil }
