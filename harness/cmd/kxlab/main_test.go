// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// try runs a command line in a folder of its own.
func try(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), streams{out: &o, err: &e}, vocabulary(), args)
	return code, o.String(), e.String()
}

// Wrong usage is told from failure, names what was wrong, and writes nothing to standard output.
func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("bad.yaml", []byte("name: lb\ncolour: red\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"frob", codeUsage, "unknown command"},
		{"abb", codeUsage, `unknown command of kxlab "abb", did you mean "ab"?`},
		{"vm runn", codeUsage, `unknown command of kxlab vm "runn", did you mean "run"?`},
		{"run", codeUsage, "missing: EXPERIMENT...; want kxlab run EXPERIMENT..."},
		{"init sched", codeUsage, "missing: NAME; want kxlab init FAMILY NAME [DIR]"},
		{"init", codeUsage, "missing: FAMILY NAME; want kxlab init FAMILY NAME [DIR]"},
		{"vm run", codeUsage, "missing: COMMAND; want kxlab vm run [flags] -- COMMAND [ARG...]"},
		{"ab xdp-nat xdp-nat --wacth", codeUsage, "did you mean --watch?"},
		{"run lb --variants=", codeUsage, "--variants: no value"},
		{"run lb --cpus 256", codeUsage, "want 0 to 255"},
		{"compare a b --min-effect 5", codeUsage, "did you mean 5%?"},
		{"compare a b --min-effect 300%", codeUsage, `"300%" is more than 100 %: want a share of what is measured, such as 1% or 0.01`},
		{"run lb --frob", codeUsage, "unknown flag"},
		{"run lb --profil x", codeUsage, "unknown flag: --profil, did you mean --profile?"},
		{"run bl", codeUsage, `unknown experiment "bl", did you mean "lb"? (there are: `},
		{"run bad.yaml", codeUsage, "colour"},
		{"run none.yaml", codeFailed, "open experiment: none.yaml: no such file"},
		{"run lb --profile quik", codeUsage, `did you mean "quick"`},
		{"run lb --variants xdp-nat,xdp-nta", codeUsage, `unknown variant "xdp-nta", did you mean "xdp-nat"`},
		{"run lb --workload ppps", codeUsage, `did you mean "pps"`},
		{"run lb --axis service=1", codeUsage, `did you mean "services"`},
		{"run lb --axis services", codeUsage, "want NAME=VALUE"},
		{"run lb --axis services=", codeUsage, "axis"},
		{"run lb --axis services=1/2", codeUsage, "may be used"},
		{"run lb --repeat -1", codeUsage, "a cell has from 1 to 10000 trials"},
		{"run lb --repeat x", codeUsage, `--repeat: "x" is not a whole number, such as 5`},
		{"run lb --target moon", codeUsage, `unknown target "moon"`},
		{"run lb --target vm --kernel ./none", codeFailed, "./none"},
		{"run lb --target host --kernel 6.12", codeUsage, "this machine's kernel"},
		{"run lb --target exact --kernel foo", codeUsage, `kernel "foo": neither a version`},
		{"run lb --target vm --kernel 6.12,foo", codeUsage, `kernel "foo": neither a version`},
		{"ab xdp-tx xdp-nat --kernel foo", codeUsage, `kernel "foo": neither a version`},
		{"vm run --kernel foo -- true", codeUsage, `kernel "foo": neither a version`},
		{"vm shell --kernel foo", codeUsage, `kernel "foo": neither a version`},
		{"vm fetch forky foo", codeUsage, `kernel "foo": neither a version`},
		{"run sched --target host", codeUsage, `target of sched`},
		{"list bl", codeUsage, "unknown experiment"},
		{"show --help", codeUsage, `unknown command of kxlab "show"`},
		{"vm foo -h", codeUsage, `unknown command of kxlab vm "foo"`},
		{"compare a", codeUsage, "missing: NEW; want kxlab compare OLD NEW"},
		{"compare a b", codeFailed, "open run a: not a run directory: there is no such folder; name one that kxlab run wrote"},
		{"compare a b --min-effect much", codeUsage, "not a share"},
		{"compare a b --format pdf", codeUsage, `unknown format "pdf"`},
		{"report", codeUsage, "missing: DIR..."},
		{"report .", codeFailed, "not a run directory"},
		{"report . --format pdf", codeUsage, `unknown format "pdf"`},
		{"doctor x", codeUsage, `too many words, the last "x"; want kxlab doctor`},
		{"list --config none.yaml", codeFailed, "read settings: none.yaml: no such file"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			code, out, errs := try(t, strings.Fields(tt.args)...)
			if code != tt.code || !strings.Contains(errs, tt.want) {
				t.Errorf("exit code %d, want %d; said %q, want %q in it", code, tt.code, errs, tt.want)
			}
			if out != "" {
				t.Errorf("on standard output: %q", out)
			}
			if _, err := os.Stat("results"); err == nil {
				t.Error("a run directory was made")
			}
		})
	}
}

func TestList(t *testing.T) {
	t.Chdir(t.TempDir())
	code, out, errs := try(t, "list")
	if code != codeDone || !strings.Contains(out, "lb") || errs != "" {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	code, out, errs = try(t, "list", "lb", "--json")
	var l listing
	if err := json.Unmarshal([]byte(out), &l); code != codeDone || err != nil || errs != "" {
		t.Fatalf("exit code %d, %v: %s", code, err, errs)
	}
	if len(l.Variants) < 10 || l.Variants[0].Host == "" || len(l.Profiles) < 3 || l.Profiles[0].Trials == 0 {
		t.Errorf("%+v", l)
	}
	code, out, _ = try(t, "list", "lb")
	for _, want := range []string{"iptables-nft", "lb/xdp_nat", "services=1", "quick", "cpu-ns/pkt"} {
		if code != codeDone || !strings.Contains(out, want) {
			t.Errorf("exit code %d, %q is not in:\n%s", code, want, out)
		}
	}
}

// TestListGuests: the list says which variants only run in guests.
func TestListGuests(t *testing.T) {
	t.Chdir(t.TempDir())
	for experiment, want := range map[string][]string{
		"swap": {"sched-link", "sched-detach", "module"}, "jit": {"module", "interpreter"}, "sched": {"scx-fifo"}, "lb": nil,
	} {
		_, out, errs := try(t, "list", experiment, "--json")
		var l listing
		if err := json.Unmarshal([]byte(out), &l); err != nil {
			t.Fatal(err, errs)
		}
		var got []string
		for _, v := range l.Variants {
			if v.Host == "no, in guests only" && (experiment != "sched" || slices.Contains(want, v.Name)) {
				got = append(got, v.Name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q in guests only, want %q", experiment, got, want)
		}
	}
}

// Flags win over the environment, that over the file; what means nothing is an error wherever it stands.
func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		what, file, env, args string
		code                  int
		want                  string
	}{
		{"file", "profile: quik\n", "", "run lb", codeUsage, `unknown profile "quik"`},
		{"list in file", "variants: [a, xdp-nat]\n", "", "run lb", codeUsage, `unknown variant "a"`},
		{"axes in file", "axis: ['services=1', 'nope=2']\n", "", "run lb", codeUsage, `unknown axis "nope"`},
		{"environment", "", "KXLAB_PROFILE=quik", "run lb", codeUsage, `unknown profile "quik"`},
		{"list in environment", "", "KXLAB_VARIANTS=xdp-nat,a", "run lb", codeUsage, `unknown variant "a"`},
		{"axes in environment", "", "KXLAB_AXIS=services=1,2 nope=2", "run lb", codeUsage, `unknown axis "nope"`},
		{"environment over file", "profile: quik\n", "KXLAB_PROFILE=quack", "run lb", codeUsage, `"quack"`},
		{"flag over both", "profile: quik\n", "KXLAB_PROFILE=quack", "run lb --target exact --kernel ./none --profile full", codeFailed, "./none"},
		{"hyphen", "", "KXLAB_MIN_EFFECT=much", "compare a b", codeUsage, "not a share"},
		{"unknown in file", "profil: quick\n", "", "list", codeUsage, `unknown setting "profil", did you mean "profile"`},
		{"unknown in environment", "", "KXLAB_PROFIL=quick", "list", codeUsage, `did you mean "KXLAB_PROFILE"`},
		{"bad value", "repeat: many\n", "", "run lb", codeUsage, `setting repeat: "many" is not a whole number, such as 5`},
		{"two documents", "profile: quick\n---\nprofile: full\n", "", "list", codeUsage, "read settings: kxlab.yaml: line 2: a second YAML document begins"},
		{"bad file", "repeat: [\n", "", "list", codeUsage, `read settings: kxlab.yaml: not YAML, such as "profile: quick": line 1: `},
		{"of another command", "min-effect: 2%\n", "KXLAB_GATE=true", "run lb --target exact --kernel ./none", codeFailed, "./none"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if tt.file != "" {
				if err := os.WriteFile(configFile, []byte(tt.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if name, value, ok := strings.Cut(tt.env, "="); ok {
				t.Setenv(name, value)
			}
			code, _, errs := try(t, strings.Fields(tt.args)...)
			if code != tt.code || !strings.Contains(errs, tt.want) {
				t.Errorf("exit code %d, want %d; said %q, want %q in it", code, tt.code, errs, tt.want)
			}
		})
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct{ args, want string }{
		{"version", "kxlab "},
		{"", "Exit codes: 0 done"},
		{"run --help", "a guest whose clock counts instructions"},
		{"completion bash", "bash completion"},
	} {
		code, out, errs := try(t, strings.Fields(tt.args)...)
		if code != codeDone || !strings.Contains(out, tt.want) {
			t.Errorf("%q: exit code %d, %q is not in %q, %q", tt.args, code, tt.want, out, errs)
		}
	}
}

func TestJobsOut(t *testing.T) {
	f := runFlags{profile: "smoke", out: "here"}
	jobs, err := f.jobs(t.Context(), streams{}, []string{"lb", "lb"}, vocabulary(), testTime)
	if err != nil {
		t.Fatal(err)
	}
	if jobs[0].dir != filepath.Join("here", "1-lb") || jobs[1].dir != filepath.Join("here", "2-lb") {
		t.Errorf("%s and %s", jobs[0].dir, jobs[1].dir)
	}
	f.out = ""
	jobs, err = f.jobs(t.Context(), streams{}, []string{"lb"}, vocabulary(), testTime)
	if want := filepath.Join("results", "scratch", "lb-smoke-20260102-030405"); err != nil || jobs[0].dir != want {
		t.Errorf("%v, %v", jobs, err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("theirs", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"run lb lb --out . --profile smoke", "bench --out ."} { // nothing is made beside what is there
		if code, _, errs := try(t, strings.Fields(args)...); code != codeFailed || !strings.Contains(errs, "directory is not empty: theirs is there") {
			t.Errorf("%s: exit code %d, %q", args, code, errs)
		}
	}
}
