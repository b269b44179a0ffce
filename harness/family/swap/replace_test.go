// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/labtest/inguest"
	loads "github.com/kxlab/kxlab/harness/load"
	"github.com/kxlab/kxlab/vm"
)

// TestMain lets the test binary be the first process of a guest, and a load.
func TestMain(m *testing.M) {
	vm.Guest() // does not return in a guest
	if len(os.Args) > 1 && os.Args[1] == loads.Command {
		os.Exit(loads.Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// waysEnv names the methods that TestReplace tries in a guest, with commas between. Not set: all that this machine has.
const waysEnv = "KXLAB_TEST_WAYS"

// guestWays are the methods that a machine may lack, and those whose load differs on target exact.
var guestWays = []string{"ipvs-edit", "ipvs-restore", "ipvs-clear", "module", "cgroup-link", "cgroup-detach", "cc-link", "cc-register"}

// The shares of packets that are not served, and how a careless way shows.
var unserved = []string{"lost-share", "neither-share", "both-share", "late-share"}

// mayShow are the shares that may show in ways that are not careless: whole tables of nftables may show some packets two versions or none,
// and IPVS has two reals between an edit and the next, in turn. That is a finding and no fault.
var mayShow = map[string][]string{
	"nft": {"both-share", "neither-share"}, "iptables-nft": {"both-share", "neither-share"},
	"ipvs-edit": {"late-share"}, "ipvs-restore": {"late-share"},
}

// waysToTry are variants of the methods to try.
func waysToTry() (out []harness.Variant) {
	names := (Family{Loader: bpfobj.New(bpfobj.Options{})}).Methods()
	if only := os.Getenv(waysEnv); only != "" {
		names = strings.Split(only, ",")
	}
	for _, method := range names {
		if method != harness.AttachCommand && !strings.HasPrefix(method, "sched") { // TestAnswers, TestSched
			out = append(out, of(method))
		}
	}
	return out
}

// TestReplace: an atomic way serves each packet once, and a careless one does not.
func TestReplace(t *testing.T) {
	careless := map[string]string{
		"xdp-detach": "lost-share", "tail-delete": "neither-share", "tcx-detach": "neither-share", "cls-bpf-delete": "neither-share",
		"cgroup-detach": "neither-share", "module": "neither-share", "ipvs-clear": "lost-share", "cc-register": "neither-share",
		"iptables-legacy-flush": "neither-share", "iptables-nft-flush": "neither-share", "nft-flush": "neither-share",
	}
	const swaps = 4
	variants := waysToTry()
	s := prepare(t, "100", variants...)
	for name, err := range s.Absent() {
		// This machine may have no IPVS, and modules are for guests alone.
		if os.Getenv(waysEnv) != "" || !strings.HasPrefix(name, "ipvs") && name != "module" || !errors.Is(err, harness.ErrNotSupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, v := range variants {
		if s.Absent()[v.Name] != nil {
			continue
		}
		r := replace(t, s, v.Name, swaps)
		unlucky := func() bool {
			return careless[v.Name] != "" && metric(r, careless[v.Name]) < 1e-6 || v.Attach != methodNone && metric(r, "starved-share") == 1
		}
		for try := 0; unlucky() && try < 2; try++ {
			r = replace(t, s, v.Name, swaps) // other tests beside this one may starve the generator in the very moments
		}
		for _, unit := range unserved {
			got := metric(r, unit)
			switch {
			case careless[v.Name] == unit && got < 1e-6:
				t.Errorf("%s is careless, and its %s is %v", v.Name, unit, got)
			case careless[v.Name] == "" && got != 0 && !slices.Contains(mayShow[v.Name], unit):
				t.Errorf("%s: %s is %v, want 0", v.Name, unit, got)
			}
		}
		if starved := metric(r, "starved-share"); v.Attach != methodNone && !(starved < 1) {
			t.Errorf("%s: no version saw a packet after %d replacements (starved share %v)", v.Name, swaps, starved)
		}
		if force := metric(r, "p50-force-sec"); v.Attach != methodNone && !(force > 0) {
			t.Errorf("%s: in force after %v s: the sink did not read its clock for the first packet of a version", v.Name, force)
		}
	}
}

// TestReplaceInGuest tries the ways that this machine may lack in an exact guest.
func TestReplaceInGuest(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("part of make soak")
	}
	e, err := experiments.Open("swap", experiments.Vocabulary{Families: map[string]harness.Family{"swap": Family{}}})
	if err != nil {
		t.Fatal(err)
	}
	out := inguest.Exact(t, vm.Cmd{Memory: int64(e.Guest.MemoryMB) << 20, Modules: e.Guest.Modules, Tools: e.Guest.Tools,
		Env: []string{waysEnv + "=" + strings.Join(guestWays, ",")}}, "^Test(Replace|Sched)$")
	for _, name := range []string{"TestReplace", "TestSched"} {
		if !strings.Contains(out, "PASS: "+name+" ") {
			t.Errorf("%s did not pass:\n%s", name, out)
		}
	}
}
