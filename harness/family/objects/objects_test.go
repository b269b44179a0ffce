// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

func openObjects(t *testing.T) harness.Experiment {
	t.Helper()
	e, err := experiments.Open("objects", experiments.Vocabulary{Families: map[string]harness.Family{"objects": Family{}}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestObjectsAreAll: no object is left out, but for those with faults on purpose.
func TestObjectsAreAll(t *testing.T) {
	var have []string
	for _, v := range openObjects(t).Variants {
		have = append(have, v.Object)
	}
	slices.Sort(have)
	sound := slices.DeleteFunc(bpf.Names(), func(name string) bool { return strings.HasPrefix(name, "safety/") })
	if diff := cmp.Diff(sound, slices.Compact(have)); diff != "" {
		t.Errorf("objects in experiments/objects.yaml and under bpf/ (-there +compared)\n%s", diff)
	}
}

// TestObjectsLoad loads every object twice: the kernel makes the same of it each time.
func TestObjectsLoad(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for BPF")
	}
	a := bpfobj.New(bpfobj.Options{})
	for _, v := range openObjects(t).Variants {
		t.Run(v.Name, func(t *testing.T) {
			s := &stage{a, []harness.Member{{Name: v.Name, Variant: v}}}
			c := harness.Cell{Workload: "load", Variant: v.Name}
			first, err := s.Measure(t.Context(), c, harness.Budget{})
			if errors.Is(err, harness.ErrNotSupported) && strings.Contains(v.Object, "/scx_") {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range first.Metrics {
				if m.Value <= 0 {
					t.Errorf("%v %s", m.Value, m.Unit)
				}
			}
			second, err := s.Measure(t.Context(), c, harness.Budget{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(first.Metrics, second.Metrics); diff != "" {
				t.Errorf("the second time (-first +second)\n%s", diff)
			}
		})
	}
}
