// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/vm"
)

// guestGate are the variants whose gate a guest is booted for: those that this machine may lack, and one of each kind that needs
// tools or objects. The others pass theirs on this machine.
var guestGate = []string{"iptables", "nftables", "ipvs-nat", "ipvs-tun", "ipvs-dr", "xdp-nat"}

// TestGateInGuest runs the correctness gate of load balancers, IPVS among them, in a guest with one CPU and the memory,
// modules and tools that the definition asks for.
func TestGateInGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a guest")
	}
	e, err := experiments.Open("lb", vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	k, err := vm.Open(t.Context(), "")
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	self, gate := static(t, "kxlab", "build", "."), static(t, "gate.test", "test", "-c", "../../family/lb")
	const inside = "/gate.test"
	var out bytes.Buffer
	c := &vm.Cmd{
		Kernel: k, CPUs: 1, Memory: int64(e.Guest.MemoryMB) << 20, Self: self, Modules: e.Guest.Modules, Tools: e.Guest.Tools,
		Files: map[string]vm.File{inside: {Source: gate}}, Args: []string{inside, "-test.run=^TestGate$/./^(" + strings.Join(guestGate, "|") + ")$", "-test.v"},
		Stdout: &out, Stderr: &out,
	}
	err = c.Run(t.Context())
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v:\n%s", err, out.String())
	}
	for _, v := range guestGate {
		for _, ip := range []string{"4", "6"} {
			if !strings.Contains(out.String(), "PASS: TestGate/ip="+ip+"/"+v+" ") {
				t.Errorf("%s did not pass for IPv%s:\n%s", v, ip, out.String())
			}
		}
	}
}

// static builds a program that needs no library. The last argument is the package.
func static(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	last := len(args) - 1
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{}, args[:last]...), "-o", path, args[last])...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v: %s", name, err, said)
	}
	return path
}
