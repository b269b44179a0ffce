// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// programs are the variants of the shipped experiment proxy that are programs.
func programs(t *testing.T) (out []harness.Member) {
	t.Helper()
	e, err := experiments.Open("proxy", experiments.Vocabulary{Families: map[string]harness.Family{"lb": Family{}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range e.Variants {
		if v.Command != nil {
			out = append(out, harness.Member{Name: v.Name, Variant: v})
		}
	}
	return out
}

// TestProgramGate: every shipped program passes the gate of its class.
func TestProgramGate(t *testing.T) { gate(t, programs(t), "4", "6") }

// TestProxyGateCatches: HAProxy with a fault that its script makes fails the gate, each fault in the step that looks for it.
func TestProxyGateCatches(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for namespaces and BPF")
	}
	haproxy, ok := harness.Find(programs(t), func(m harness.Member) bool { return m.Name == "haproxy" })
	if !ok {
		t.Fatal("no haproxy")
	}
	script := string(haproxy.Command.Contents[0].Content)
	faults := []struct{ name, old, new, want string }{
		{"unweighted", "weight $weight", "weight 1", "weights: real"},
		{"wrongweights", "weight $weight", "weight $((weight * weight))", "weights: backend"},
		{"deaf", "exec haproxy -D -f haproxy.cfg -p pid -x", "exit 0 #", "weights: real"},
		{"cutting", "set -e", "set -e\n[ $KXLAB_ACTION = up ] || { kill -9 $(cat pid); KXLAB_ACTION=up; }", "changes: a backend was added: "},
		{"nobackend", "$backend weight", "198.18.0.1:9 weight", "streams: a connection each: "},
	}
	var members []harness.Member
	for _, f := range faults {
		changed := strings.Replace(script, f.old, f.new, 1)
		if changed == script {
			t.Fatalf("%s: the script has no %q", f.name, f.old)
		}
		m := haproxy
		c := *m.Command
		c.Contents = []harness.CommandFile{{Name: c.Contents[0].Name, Mode: 0o755, Content: []byte(changed)}}
		m.Name, m.Variant.Name, m.Command = f.name, f.name, &c
		members = append(members, m)
	}
	stage := prepare(t, "4", members)
	for i, m := range members {
		t.Run(m.Name, func(t *testing.T) {
			if err := stage.Check(t.Context(), m.Name); err == nil || !strings.Contains(err.Error(), faults[i].want) {
				t.Errorf("error %v, want %q", err, faults[i].want)
			}
		})
	}
}

// TestProgramDies: a program that dies in the middle of a trial makes the trial invalid; one that never gets ready is absent. The others go on.
func TestProgramDies(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for namespaces and BPF")
	}
	haproxy, ok := harness.Find(programs(t), func(m harness.Member) bool { return m.Name == "haproxy" })
	if !ok {
		t.Fatal("no haproxy")
	}
	with := func(name, script string) harness.Member {
		m, c := haproxy, *haproxy.Command
		c.Contents = []harness.CommandFile{{Name: c.Contents[0].Name, Mode: 0o755, Content: []byte(script)}}
		m.Name, m.Variant.Name, m.Command = name, name, &c
		return m
	}
	good := string(haproxy.Command.Contents[0].Content)
	pipe := filepath.Join(t.TempDir(), "go")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	dying := with("dying", strings.Replace(good, "set -e\n", "set -e\n(read -r _ <"+pipe+"; read -r pid <pid; kill -9 $pid) &\n", 1))
	st, err := Family{bpfobj.New(bpfobj.Options{})}.Prepare(t.Context(), harness.Group{
		Axes: []harness.AxisValue{{Name: "services", Value: "1"}}, Members: []harness.Member{with("never", "#!/bin/sh\nexit 1\n"), dying, haproxy}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if why := st.Absent(); len(why) != 1 || why["never"] == nil {
		t.Errorf("absent: %v", why)
	}
	cell := func(variant string) harness.Cell { return harness.Cell{Workload: "crr", Variant: variant} }
	time.AfterFunc(300*time.Millisecond, func() { _ = os.WriteFile(pipe, []byte("go\n"), 0) })
	r, err := st.Measure(t.Context(), cell("dying"), harness.Budget{Measure: time.Second})
	if err != nil || !strings.Contains(r.Invalid, "fell out of force during the trial") {
		t.Errorf("the dying one: %v, invalid %q", err, r.Invalid)
	}
	if _, err := st.Measure(t.Context(), cell("dying"), harness.Budget{Measure: time.Second}); err == nil {
		t.Error("a trial of a dead program")
	}
	if r, err := st.Measure(t.Context(), cell("haproxy"), harness.Budget{Measure: 100 * time.Millisecond}); err != nil || r.Invalid != "" {
		t.Errorf("the other: %v, invalid %q", err, r.Invalid)
	}
	if _, err := st.Measure(t.Context(), harness.Cell{Workload: "pps", Variant: "haproxy"}, harness.Budget{}); !errors.Is(err, harness.ErrNotSupported) {
		t.Errorf("packets through a proxy: %v, want a skip", err)
	}
}
