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

// guestGate are the variants whose gate a guest is booted for, by test and family of addresses: those that this machine may lack, and a BPF
// object. In make soak instead those whose gate this machine runs as well, one of each kind that needs tools.
func guestGate() map[string]map[string][]string {
	if labtest.Soak() {
		proxies := []string{"haproxy", "nginx-stream"}
		return map[string]map[string][]string{"TestGate": {"4": {"iptables", "nftables"}}, "TestProgramGate": {"4": proxies, "6": proxies}}
	}
	ipvs := []string{"ipvs-nat", "ipvs-tun", "ipvs-dr"}
	return map[string]map[string][]string{
		"TestGate":        {"4": append([]string{"xdp-nat"}, ipvs...), "6": ipvs},
		"TestProgramGate": {"4": {"ipvs-script"}, "6": {"ipvs-script"}},
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
