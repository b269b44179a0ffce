// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/page"
)

// TestLeads: the workloads of a first answer are in profile smoke, and whoever names a workload, an axis or a profile, or has a gate, gets what
// was asked for.
func TestLeads(t *testing.T) {
	for name, lead := range leads {
		e, err := open(name, vocabulary())
		if err != nil {
			t.Fatal(err)
		}
		smoke, ok := harness.Find(e.Profiles, func(p harness.Profile) bool { return p.Name == "smoke" })
		if !ok || !slices.ContainsFunc(smoke.Workloads, func(w harness.ProfileWorkload) bool { return w.Name == lead }) {
			t.Errorf("%s: profile smoke lacks %s", name, lead)
		}
	}
	const said = "measured by workload pipe alone"
	for args, want := range map[string]bool{"": true, "--gate": false, "--workload pipe": false, "--axis place=same": false, "--profile smoke": false} {
		// There is no such kernel: the command ends before a guest boots.
		_, _, errs := try(t, append(strings.Fields("ab eevdf scx-fifo --kernel /nowhere"), strings.Fields(args)...)...)
		if strings.Contains(errs, said) != want {
			t.Errorf("ab %s says %q, want %q: %v", args, errs, said, want)
		}
	}
}

// TestABRefuses: what cannot be compared is said before anything is touched.
func TestABRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	raw, err := bpf.Bytes("lb/xdp_dsr")
	if err != nil {
		t.Fatal(err)
	}
	scheduler, err := bpf.Bytes("sched/scx_fifo")
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"xdp_dsr.bpf.o": raw, "mine.bpf.o": raw, "fifo.bpf.o": scheduler} {
		if err := os.WriteFile(name, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const own = "name: mine\nextends: proxy\nkeep: [xdp-nat]\nvariants:\n  - {name: own, class: proxy, attach: command, command: {up: ./own.sh}, about: x}\n"
	if err := errors.Join(os.WriteFile("own.sh", []byte("#!/bin/sh\n"), 0o755), os.WriteFile("own.yaml", []byte(own), 0o644), os.Mkdir("full", 0o755), os.WriteFile("full/theirs", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		said string
	}{
		{"xdp-nat", codeUsage, "B is missing: ab takes A and B, or A alone with several kernels: kxlab ab xdp-nat --kernel A,B"},
		{"xdp-nat --kernel 7.2", codeUsage, "B is missing"},
		{"a b c", codeUsage, `too many words, the last "c"; want kxlab ab A [B]`},
		{"xdp-nut xdp-nat", codeUsage, `unknown variant "xdp-nut"`},
		{"xdp-nat xdp-dsr", codeUsage, "A is of class nat and B of class dsr"},
		{"iptables haproxy", codeUsage, "they do not do the same work; one table shows both: kxlab run proxy --variants iptables,haproxy"},
		{"haproxy nginx-stream --kernel /nowhere", codeFailed, "open kernel: /nowhere: no such file"},
		{"ipvs-script ipvs-nat --kernel /nowhere", codeFailed, "open kernel: /nowhere: no such file"},
		{"haproxy own.yaml:own --kernel /nowhere", codeFailed, "open kernel: /nowhere: no such file"},
		{"haproxy own.yaml:owm", codeUsage, `unknown variant "owm", did you mean "own"?`},
		{"haproxy none.yaml:own", codeFailed, "none.yaml: no such file"},
		{"xdp-nat scx-fifo", codeUsage, "A belongs to experiment lb and B to sched"},
		{"scx-vtime,slice=1 scx-vtime", codeUsage, `unknown knob of scx-vtime "slice", did you mean "slice_us"?`},
		{"scx-vtime,slice_us scx-vtime", codeUsage, `"slice_us" is not KNOB=NUMBER`},
		{"scx-vtime, scx-vtime", codeUsage, `"" is not KNOB=NUMBER`},
		{"./mine xdp-nat", codeUsage, "names of sources and objects end in .c and .o"},
		{"none.bpf.c xdp-nat", codeFailed, "there is no such file"},
		{"mine.bpf.o mine.bpf.o", codeUsage, "name a variant of the lab by --like"},
		{"fifo.bpf.o mine.bpf.o", codeUsage, "A is a scheduler and B is a program of type XDP: they do not do the same work"},
		{"mine.bpf.o fifo.bpf.o", codeUsage, "A is a program of type XDP and B is a scheduler: they do not do the same work"},
		{"mine.bpf.o bpf-cubic", codeUsage, "it is a program of type XDP, and bpf-cubic is a congestion control"},
		{"mine.bpf.o tc-nat", codeUsage, "it is a program of type XDP, and tc-nat is a program of type SchedCLS"},
		{"mine.bpf.o iptables", codeUsage, "iptables is no BPF object"},
		{"mine.bpf.o xdp-dsr --like xdp-nat", codeUsage, "A is of class nat and B of class dsr"},
		{"xdp-dsr xdp-dsr --workload ppps", codeUsage, `unknown workload "ppps"`},
		{"xdp-dsr xdp-dsr --target moon", codeUsage, `unknown target "moon"`},
		{"xdp-dsr xdp-dsr --format pdf", codeUsage, `unknown format "pdf"`},
		{"xdp-dsr xdp-dsr --min-effect x", codeUsage, "--min-effect"},
		{"xdp-dsr xdp-dsr --axis services", codeUsage, "want NAME=VALUE"},
		{"xdp-dsr xdp-dsr --out full", codeFailed, "create run directory full: directory is not empty: theirs is there; name another one"},
		{"xdp-dsr --out full --kernel 7.2,6.12", codeFailed, "directory is not empty: theirs is there"},
		{"xdp-dsr xdp-dsr --kernel 7.2,7.2", codeUsage, "--kernel: 7.2 is named twice"},
		{"xdp-dsr xdp-dsr --kernel 7.2,moon", codeUsage, `kernel "moon": neither a version`},
		{"xdp-dsr xdp-dsr --kernel 7.2,6.12 --format junit", codeUsage, "--format junit: not with several kernels"},
		{"xdp-dsr xdp-dsr --kernel 7.2 --target host", codeUsage, "--kernel: target host runs on this machine's kernel"},
		{"xdp-dsr --kernel 7.2,6.12 --target host", codeUsage, "--kernel: target host runs on this machine's kernel"},
	} {
		code, out, said := try(t, append([]string{"ab"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(said, c.said) || out != "" {
			t.Errorf("ab %s: exit code %d, %q; want %d, %q", c.args, code, said, c.code, c.said)
		}
	}
	if left, _ := filepath.Glob("results/*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestAB: twenty instructions planted in a program are found, with sign, size and function; in make soak instead, the same program twice
// shows nothing, which three seeds say, and two of them before.
func TestAB(t *testing.T) {
	if err := haveGuests(t.Context()); err != nil || testing.Short() {
		t.Skip("boots guests:", err)
	}
	dir := t.TempDir()
	source, err := os.ReadFile("../../../bpf/lb/xdp_dsr.bpf.c")
	if err != nil {
		t.Fatal(err)
	}
	plant := strings.Replace(string(source), "{\n\treturn forward(",
		"{\n\tasm volatile(\""+"r0 = 0;"+strings.Repeat("r0 += 1;", 19)+"\" ::: \"r0\");\n\treturn forward(", 1)
	if plant == string(source) {
		t.Fatal("nothing was planted")
	}
	for name, text := range map[string]string{"same.bpf.c": "/* a comment */\n" + string(source), "mine.bpf.c": plant} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	name, want := "mine.bpf.c", `^mine.bpf.c takes 1\.[34] % more instructions a packet than xdp-dsr \[.*\]: worse(.*\n)*Where it comes from: .*\n  function .*\n  xdp_dsr \[bpf\] +[0-9.]+ +[0-9.]+ +\+(19|20)\.\d\n(.*\n)*A call of the programs: .*\n  function .*\n  xdp_dsr +1\.00 +1\.00 +[0-9.]+ +[0-9.]+ +\+20\.0\n`
	seeds, first := "2", ""
	if labtest.Soak() {
		name, want = "same.bpf.c", `^No difference is shown between xdp-dsr and same.bpf.c`
		seeds, first = "3", "after 2 of 3 seeds, preliminary: "
	}
	cmd, errs := command(t, dir, "ab", "xdp-dsr", name, "--workload", "pps", "--axis", "rate=0", "--axis", "flows=4096", "--repeat", seeds, "--out", "r")
	out, err := cmd.Output()
	if err != nil || !regexp.MustCompile(want).Match(out) {
		t.Errorf("%s: %v\n%s%s\nwant %s", name, err, out, errs, want)
	}
	if !strings.Contains(errs.String(), first) {
		t.Errorf("%s: no %q: %s", name, first, errs)
	}
}

// TestABSame: programs that differ in comments and names are the same code, and nothing is measured.
func TestABSame(t *testing.T) {
	source, err := os.ReadFile("../../../bpf/lb/xdp_dsr.bpf.c")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := strings.Replace(string(source), "int xdp_dsr(", "/* a comment */\nint renamed(", 1)
	if err := os.WriteFile(filepath.Join(dir, "same.bpf.c"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd, errs := command(t, dir, "ab", "xdp-dsr", "same.bpf.c", "--gate")
	cmd.Env = append(cmd.Env, "KXLAB_FRESH=false")
	out, err := cmd.Output()
	if want := "No difference is shown between xdp-dsr and same.bpf.c: they are the same code, "; err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%v: %s%s", err, out, errs)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "results/*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestABLaps: on the host two programs take turns; one that lets every packet pass fails its gate.
func TestABLaps(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("needs root, and loads programs for some seconds")
	}
	dir := t.TempDir()
	cmd, errs := command(t, dir, "ab", "xdp-dsr", "xdp-ipip", "--target", "host", "--repeat", "4", "--wait")
	if out, err := cmd.Output(); err == nil || !strings.Contains(errs.String(), "A is of class dsr and B of class ipip") {
		t.Errorf("other classes: %v: %s%s", err, out, errs)
	}
	cmd, errs = command(t, dir, "ab", "xdp-dsr", "xdp-dsr", "--target", "host", "--repeat", "4", "--axis", "flows=1,64", "--format", "json", "--wait")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	var got struct{ Laps []page.Lap }
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(got.Laps) != 2 || got.Laps[0].At != "flows=1" || got.Laps[1].Loads != 4 || !(got.Laps[0].A > 1) || !(got.Laps[0].B > 1) {
		t.Errorf("%s", out)
	}
	raw, err := bpf.Bytes("traffic/pass")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pass.bpf.o"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd, errs = command(t, dir, "ab", "xdp-dsr", "pass.bpf.o", "--target", "host", "--wait")
	if out, err := cmd.Output(); err == nil || len(out) > 0 || !strings.Contains(errs.String(), "B did not pass its correctness gate: packets: ") {
		t.Errorf("a program that passes everything: %v: %s%s", err, out, errs)
	}
}

// TestABLapsProg: on the host programs by themselves take turns, a row an input; other types are refused before.
func TestABLapsProg(t *testing.T) {
	if os.Geteuid() != 0 || testing.Short() {
		t.Skip("needs root, and loads programs for some seconds")
	}
	dir := t.TempDir()
	copyPrograms(t, dir)
	for args, want := range map[string]string{
		"kinds.bpf.o kinds.bpf.o --program kind_raw":       "programs by themselves of type raw tracepoint are measured on target exact only",
		"count-hash count-hash --like prog --axis x=1":     `unknown axis "x"`,
		"count-hash count-hash --like prog --format junit": "--format junit: not for what takes turns",
	} {
		cmd, errs := command(t, dir, append(strings.Fields("ab --target host --wait "), strings.Fields(args)...)...)
		out, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != codeUsage || len(out) > 0 || !strings.Contains(errs.String(), want) {
			t.Errorf("ab %s: %v: %s%s\nwant %s", args, err, out, errs, want)
		}
	}
	cmd, errs := command(t, dir, strings.Fields("ab count-hash count-hash --like prog --target host --repeat 4 --axis input=arp --format json --wait")...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	var got struct {
		Unit string
		Laps []page.Lap
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Unit != "ns/run" || len(got.Laps) != 1 || got.Laps[0].At != "input=arp" || got.Laps[0].Loads != 4 || !(got.Laps[0].A > 1) {
		t.Errorf("%s", out)
	}
}
