// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// shippedMembers returns every variant of the shipped load balancer experiment as a member of a group. Knobs are set on
// top of those of the definition, in variants that are BPF objects; change may be nil and may return none, which leaves
// the variant out.
func shippedMembers(t *testing.T, change func(harness.Variant) []harness.Knob) []harness.Member {
	t.Helper()
	e, err := experiments.Open("lb", experiments.Vocabulary{Families: map[string]harness.Family{"lb": Family{}}})
	if err != nil {
		t.Fatal(err)
	}
	var out []harness.Member
	for _, v := range e.Variants {
		if change != nil {
			knobs := change(v)
			if len(knobs) == 0 {
				continue
			}
			for _, k := range v.Knobs {
				if !slices.ContainsFunc(knobs, func(x harness.Knob) bool { return x.Name == k.Name }) {
					knobs = append(knobs, k)
				}
			}
			v.Knobs = knobs
		}
		out = append(out, harness.Member{Name: v.Name, Variant: v})
	}
	return out
}

// prepare puts the members in force with three services. No variant may be absent but IPVS, where the kernel has none.
func prepare(t *testing.T, family string, members []harness.Member) *stage {
	t.Helper()
	st, err := Family{bpfobj.New(bpfobj.Options{Log: func(s string) { t.Log(s) }})}.Prepare(t.Context(), harness.Group{
		Axes: []harness.AxisValue{{Name: "services", Value: "3"}, {Name: "ip", Value: family}}, Members: members, Seed: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, m := range members {
		why, absent := st.Absent()[m.Name]
		if _, err := os.Stat("/proc/net/ip_vs"); absent && (err == nil || !strings.HasPrefix(m.Name, "ipvs-")) {
			t.Fatalf("%s is not in force: %s", m.Name, why)
		}
	}
	return st.(*stage)
}

// gate runs the correctness gate on members, for each of the families of addresses.
func gate(t *testing.T, members []harness.Member, families ...string) {
	gateAnd(t, members, nil, families...)
}

// gateAnd is gate, and calls then with the stage of all members, which have no connections, for each of the families. It does not where
// only some of the members are set up. Then may be nil.
func gateAnd(t *testing.T, members []harness.Member, then func(*testing.T, *stage, []harness.Member), families ...string) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for namespaces and BPF")
	}
	if len(families) == 0 {
		t.Fatal("no family of addresses: nothing would be checked")
	}
	only := strings.Split(os.Getenv(gateEnv), ",")
	for _, family := range families {
		t.Run("ip="+family, func(t *testing.T) {
			members := slices.DeleteFunc(slices.Clone(members), func(m harness.Member) bool {
				return only[0] != "" && !slices.Contains(only, t.Name()+"/"+m.Name)
			})
			stage := prepare(t, family, members)
			for _, m := range members {
				t.Run(m.Name, func(t *testing.T) {
					if why, absent := stage.Absent()[m.Name]; absent {
						t.Skip(why)
					}
					if err := stage.Check(t.Context(), m.Name); err != nil {
						t.Error(err)
					}
				})
			}
			if only[0] == "" && then != nil {
				then(t, stage, members)
			}
		})
	}
}

// TestGate: every shipped variant passes, and those of a class give the same packets.
func TestGate(t *testing.T) { gateAnd(t, shippedMembers(t, nil), samePackets, "4", "6") }

// TestGateFullTable: and so it does with a flow table that the gate's flood fills twice over. A NAT has a table for each family of
// addresses, the others have one that does not tell them apart.
func TestGateFullTable(t *testing.T) {
	for family, classes := range map[string][]string{"4": {"nat"}, "6": {"nat", "ipip", "dsr"}} {
		gate(t, shippedMembers(t, func(v harness.Variant) []harness.Knob {
			if !slices.Contains(classes, v.Class) || v.Object == "" {
				return nil
			}
			return []harness.Knob{{Name: "flow_entries", Value: 1024}}
		}), family)
	}
}

// TestGateFloodGuard: and with a flood guard that the gate's flood triggers. It counts flows of both families alike.
func TestGateFloodGuard(t *testing.T) {
	gate(t, shippedMembers(t, func(v harness.Variant) []harness.Knob {
		if v.Class != "ipip" && v.Class != "dsr" {
			return nil
		}
		return []harness.Knob{{Name: "new_flows_max", Value: 1000}}
	}), "4")
}
