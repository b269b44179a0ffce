// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/labtest/inguest"
	"github.com/kxlab/kxlab/vm"
)

// TestMain lets the test binary be the first process of a guest.
func TestMain(m *testing.M) {
	vm.Guest() // does not return in a guest
	os.Exit(m.Run())
}

// gateEnv names the subtests of the gate that run, with commas between: the others' variants are not even set up. Not set: all.
const gateEnv = "KXLAB_TEST_GATE"

// guestGate are the variants whose gate a guest is booted for, by test and family of addresses: those that this machine may lack, each in one
// family, and a BPF object. In make soak instead the former in the other family, and those whose gate this machine runs as well, one of each
// kind that needs tools.
func guestGate() map[string]map[string][]string {
	if labtest.Soak() {
		return map[string]map[string][]string{
			"TestGate":        {"4": {"ipvs-dr", "iptables", "nftables"}, "6": {"ipvs-nat", "ipvs-tun"}},
			"TestProgramGate": {"4": {"ipvs-script", "haproxy", "nginx-stream"}, "6": {"haproxy", "nginx-stream"}},
		}
	}
	return map[string]map[string][]string{
		"TestGate":        {"4": {"xdp-nat", "ipvs-nat", "ipvs-tun"}, "6": {"ipvs-dr"}},
		"TestProgramGate": {"6": {"ipvs-script"}},
	}
}

// TestGateInGuest runs the correctness gate of load balancers, IPVS and programs among them, in a guest with one CPU and the memory,
// modules and tools that the definitions ask for. The gate has time limits, so it is an exact guest, whose time no other load takes.
func TestGateInGuest(t *testing.T) {
	e, err := experiments.Open("proxy", experiments.Vocabulary{Families: map[string]harness.Family{"lb": Family{}}})
	if err != nil {
		t.Fatal(err)
	}
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	var want, tests []string
	for test, families := range guestGate() {
		tests = append(tests, test)
		for ip, variants := range families {
			for _, v := range variants {
				want = append(want, test+"/ip="+ip+"/"+v)
			}
		}
	}
	slices.Sort(tests)
	slices.Sort(want)
	out := inguest.Exact(t, vm.Cmd{Memory: int64(e.Guest.MemoryMB) << 20, Modules: e.Guest.Modules,
		Tools: append(slices.Clone(e.Guest.Tools), "sh", "ipvsadm", "haproxy", "nginx"), Files: map[string]vm.File{module: {Source: module}},
		Env: []string{gateEnv + "=" + strings.Join(want, ",")}}, "^("+strings.Join(tests, "|")+")$")
	for _, w := range want {
		if !strings.Contains(out, "PASS: "+w+" ") {
			t.Errorf("%s did not pass:\n%s", w, out)
		}
	}
}
