// SPDX-License-Identifier: Apache-2.0

package control

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/labtest"
)

// TestLayout compares the structs that Go writes with those that the objects were compiled with.
func TestLayout(t *testing.T) {
	mirrors := map[string]any{
		"lb_vip4": lbVIP4{}, "lb_vip6": lbVIP6{}, "lb_vip": lbVIP{}, "lb_line": lbLine{}, "lb_real": lbReal{}, "lb_config": bpfobj.LbConfig{},
		"lb_generation": lbGeneration{}, "lb_removed": lbRemoved{},
	}
	found := map[string]bool{}
	for _, name := range bpf.Names() {
		if !strings.HasPrefix(name, "lb/") {
			continue
		}
		spec, err := bpf.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for c, mirror := range mirrors {
			var s *btf.Struct
			if spec.Types.TypeByName(c, &s) == nil {
				found[c] = true
				labtest.CompareLayout(t, name, s, reflect.TypeOf(mirror))
			}
		}
		var stats *btf.Enum
		if spec.Types.TypeByName("lb_stat", &stats) == nil {
			found["lb_stat"] = true
			compareStats(t, name, stats)
		}
		if v := spec.Maps["stats"]; v != nil && int(v.MaxEntries) != len(lbStats) {
			t.Errorf("%s: map stats has %d entries, Go knows %d names", name, v.MaxEntries, len(lbStats))
		}
	}
	for c := range mirrors {
		if !found[c] {
			t.Errorf("no object has a struct %s to compare with", c)
		}
	}
}

func compareStats(t *testing.T, object string, e *btf.Enum) {
	t.Helper()
	for _, v := range e.Values {
		name := strings.ToLower(strings.TrimPrefix(v.Name, "LB_STAT_"))
		if name == "lb_stats" {
			if int(v.Value) != len(lbStats) {
				t.Errorf("%s: %d statistics, Go knows %d", object, v.Value, len(lbStats))
			}
		} else if int(v.Value) >= len(lbStats) || lbStats[v.Value] != name {
			t.Errorf("%s: statistic %d is %s, not so in Go", object, v.Value, name)
		}
	}
}
