// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/sys"
)

// prepare puts variants in force, each named after its method or, of testdata, after its object.
func prepare(t *testing.T, rules string, variants ...harness.Variant) harness.Stage {
	t.Helper()
	labtest.AsRoot(t)
	g := harness.Group{Axes: []harness.AxisValue{{Name: "rules", Value: rules}}, Seed: 1, Exact: os.Getenv(waysEnv) != ""}
	for _, v := range variants {
		g.Members = append(g.Members, harness.Member{Name: v.Name, Variant: v})
	}
	s, err := Family{Loader: bpfobj.New(bpfobj.Options{})}.Prepare(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// of is a variant of a method with the object that goes with it.
func of(method string) harness.Variant {
	v := harness.Variant{Name: method, Attach: method, Class: "any"}
	switch {
	case method == "map-in-map":
		v.Class, v.Object = "tail", "swap/xdp_map"
	case strings.HasPrefix(method, "cgroup"):
		v.Object = "swap/cgroup_mark"
	case strings.HasPrefix(method, "sched"):
		v.Object = "swap/scx_stamp"
	case strings.HasPrefix(method, "cc"):
		v.Object = "swap/cc_stamp"
	case strings.HasPrefix(method, "xdp") || strings.HasPrefix(method, "tail"):
		v.Class, v.Object = "xdp", "swap/xdp_stamp" // of which the sink reads its clock less often
	case strings.HasPrefix(method, "tcx") || strings.HasPrefix(method, "cls"):
		v.Object = "swap/tc_stamp"
	}
	return v
}

// wrong is a variant whose versions are an object of testdata.
func wrong(t *testing.T, object string) harness.Variant {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", object+".bpf.o"))
	if err != nil {
		t.Fatal(err)
	}
	bpf.Add(object, raw)
	return harness.Variant{Name: object, Attach: "xdp-link", Class: "any", Object: object}
}

// TestGate: versions that are wrong on purpose are found, each by its own fault.
func TestGate(t *testing.T) {
	faults := map[string]string{
		"drops_million":  "packets lost",
		"stamps_nothing": "seen by no version",
		"stamps_twice":   "seen more than once",
		"reorders":       "packets late",
		"other_version":  "of another version than 1",
	}
	variants := []harness.Variant{of("xdp-link")}
	for object := range faults {
		variants = append(variants, wrong(t, object))
	}
	s := prepare(t, "1", variants...)
	for _, v := range variants {
		err := s.Check(t.Context(), v.Name)
		want := faults[v.Name]
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("gate of %s: %v, want %q", v.Name, err, want)
		}
		if errors.Is(err, harness.ErrNotSupported) {
			t.Errorf("gate of %s: a wrong program is not supported: %v", v.Name, err)
		}
	}
}

// replace measures one trial of a member.
func replace(t *testing.T, s harness.Stage, name string, swaps int) harness.Result {
	t.Helper()
	for range 3 { // as a run does: other tests beside this one may starve the generator
		r, err := s.Measure(t.Context(), harness.Cell{Workload: s.(*stage).members[name].workload(), Variant: name,
			Axes: []harness.AxisValue{{Name: "swaps", Value: fmt.Sprint(swaps)}}}, harness.Budget{Exact: os.Getenv(waysEnv) != ""})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Invalid == "" {
			return r
		}
		t.Logf("%s: %s", name, r.Invalid)
	}
	t.Fatalf("%s: no attempt counts", name)
	return harness.Result{}
}

// TestDropsUnderReplacement: one packet in a million is found while versions replace one another, too.
func TestDropsUnderReplacement(t *testing.T) {
	s := prepare(t, "1", wrong(t, "drops_million")).(*stage)
	m := s.members["drops_million"]
	l, err := s.openLoad(m)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	got, _, err := l.during(t.Context(), math.MaxUint64, func(ctx context.Context) error {
		if _, err := l.await(ctx, 10*time.Second, func(c abi.SwapCount) bool { return c.Next > 1_000_000 }); err != nil {
			return err
		}
		if err := m.way.Load(ctx, 2); err != nil {
			return err
		}
		if err := m.way.Replace(ctx); err != nil {
			return err
		}
		_, err := l.await(ctx, 10*time.Second, func(c abi.SwapCount) bool { return c.Generation == 2 })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r := got.result()
	if share := metric(r, "lost-share"); got.lost() < 1 || got.lost() > got.sent/900_000 || share == 0 || share > 1.2e-6 {
		t.Errorf("%d of %d packets lost, share %v: want one in a million", got.lost(), got.sent, share)
	}
	if got.seen[2].Packets == 0 {
		t.Error("version 2 saw no packet")
	}
}

// TestMissing: a hook or a tool that is not there is not supported, and a program that is wrong is a failure.
func TestMissing(t *testing.T) {
	at := harness.Site{Link: "eth0"}
	for _, tt := range []struct {
		name string
		err  error
		skip bool
	}{
		{"no such hook", hookError(fmt.Errorf("attach: %w", link.ErrNotSupported), "attach"), true},
		{"busy hook", hookError(unix.EBUSY, "attach"), false},
		{"no classifier", filterError(unix.ENOENT, "add", at), true},
		{"invalid filter", filterError(unix.EINVAL, "add", at), false},
		{"table refused", missing("nft", fmt.Errorf("run nft: %w", sys.ToolError{Err: errors.New("exit status 1"), Output: "no such table"})), true},
		{"interrupted", missing("nft", context.Canceled), false},
		{"no such program", command{tool: "kxlab-no-such-tool"}.run(t.Context()), true},
	} {
		if tt.err == nil || errors.Is(tt.err, harness.ErrNotSupported) != tt.skip {
			t.Errorf("%s: %v, want not supported: %v", tt.name, tt.err, tt.skip)
		}
	}
	variants := map[string]harness.Variant{
		`no program "stamp"`:                 {Name: "mine", Attach: "xdp-link", Object: "traffic/pass"},
		`no map "flows"`:                     {Name: "reno", Attach: "cc-link", Object: "cc/bpf_reno"},
		"no struct of operations in section": {Name: "none", Attach: "cc-register", Object: "traffic/pass"},
	}
	s := prepare(t, "1", append(slices.Collect(maps.Values(variants)), of("sched-detach"))...)
	for want, v := range variants {
		if err := s.Absent()[v.Name]; err == nil || errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("an object without a version: %v, want %q", err, want)
		}
	}
	if err := s.Absent()["sched-detach"]; !errors.Is(err, harness.ErrNotSupported) {
		t.Errorf("a scheduler of this machine: %v, want not supported", err)
	}
}

// TestClose: a stage that is closed leaves no namespace.
func TestClose(t *testing.T) {
	labtest.AsRoot(t)
	s, err := Family{Loader: bpfobj.New(bpfobj.Options{})}.Prepare(t.Context(), harness.Group{Members: []harness.Member{{Name: "nft", Variant: of("nft")}}})
	if err != nil {
		t.Fatal(err)
	}
	path := s.(*stage).members["nft"].host.NSPath
	if err := sys.InNS(path, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("namespace %s is left: %v", path, err)
	}
}

func TestCheckAxis(t *testing.T) {
	for value, good := range map[string]bool{"1": true, "1000": true, "0": false, "-1": false, "4095": false, "x": false, "01": false} {
		if err := (Family{}).CheckAxis("swaps", value); (err == nil) != good {
			t.Errorf("swaps=%s: %v", value, err)
		}
	}
	if (Family{}).CheckAxis("rules", "5000") != nil || (Family{}).CheckAxis("rules", "0") == nil {
		t.Error("rules: want 1 to 100000")
	}
}
