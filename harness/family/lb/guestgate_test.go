// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"os"
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

// guestGate are the variants whose gate a guest is booted for: those that this machine may lack, and one of each kind that needs
// tools or objects. The others pass theirs on this machine.
var guestGate = []string{"iptables", "nftables", "ipvs-nat", "ipvs-tun", "ipvs-dr", "xdp-nat"}

// TestGateInGuest runs the correctness gate of load balancers, IPVS among them, in a guest with one CPU and the memory,
// modules and tools that the definition asks for. The gate has time limits, so it is an exact guest, whose time no other load takes.
func TestGateInGuest(t *testing.T) {
	e, err := experiments.Open("lb", experiments.Vocabulary{Families: map[string]harness.Family{"lb": Family{}}})
	if err != nil {
		t.Fatal(err)
	}
	out := inguest.Exact(t, vm.Cmd{Memory: int64(e.Guest.MemoryMB) << 20, Modules: e.Guest.Modules, Tools: e.Guest.Tools},
		"^TestGate$/./^("+strings.Join(guestGate, "|")+")$")
	for _, v := range guestGate {
		for _, ip := range []string{"4", "6"} {
			if !strings.Contains(out, "PASS: TestGate/ip="+ip+"/"+v+" ") {
				t.Errorf("%s did not pass for IPv%s:\n%s", v, ip, out)
			}
		}
	}
}
