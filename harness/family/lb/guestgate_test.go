// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest/inguest"
	"github.com/kxlab/kxlab/vm"
)

// TestMain lets the test binary be the first process of a guest.
func TestMain(m *testing.M) {
	vm.Guest() // does not return in a guest
	os.Exit(m.Run())
}

// gateEnv names the variants that the gate is tried on, with commas between; not set: all.
const gateEnv = "KXLAB_TEST_GATE"

// guestGate are the variants whose gate a guest is booted for: those that this machine may lack, over both families of addresses, and
// over IPv4 one of each kind that needs tools or objects. The others pass theirs on this machine.
var guestGate = map[string][]string{
	"4": {"ipvs-nat", "ipvs-tun", "ipvs-dr", "iptables", "nftables", "xdp-nat"},
	"6": {"ipvs-nat", "ipvs-tun", "ipvs-dr"},
}

// TestGateInGuest runs the correctness gate of load balancers, IPVS among them, in a guest with one CPU and the memory,
// modules and tools that the definition asks for. The gate has time limits, so it is an exact guest, whose time no other load takes.
func TestGateInGuest(t *testing.T) {
	e, err := experiments.Open("lb", experiments.Vocabulary{Families: map[string]harness.Family{"lb": Family{}}})
	if err != nil {
		t.Fatal(err)
	}
	var patterns []string
	for ip, variants := range guestGate {
		patterns = append(patterns, "^TestGate$/^ip="+ip+"$/^("+strings.Join(variants, "|")+")$")
	}
	slices.Sort(patterns)
	out := inguest.Exact(t, vm.Cmd{Memory: int64(e.Guest.MemoryMB) << 20, Modules: e.Guest.Modules, Tools: e.Guest.Tools,
		Env: []string{gateEnv + "=" + strings.Join(guestGate["4"], ",")}}, strings.Join(patterns, "|"))
	for ip, variants := range guestGate {
		for _, v := range variants {
			if !strings.Contains(out, "PASS: TestGate/ip="+ip+"/"+v+" ") {
				t.Errorf("%s did not pass for IPv%s:\n%s", v, ip, out)
			}
		}
	}
}
