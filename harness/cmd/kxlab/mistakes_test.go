// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// internal finds words of Go and its libraries that say nothing to a user.
var internal = regexp.MustCompile(`strconv|invalid syntax|(^|[ (])yaml: |unmarshal|While parsing|\bl?stat |%!`)

// TestMistakes: a mistake of one kind has one exit code in all commands, and is said without words of the implementation. 2: words, settings,
// definitions or inputs are wrong; 1: a file is missing or damaged, or would be overwritten.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	copyPrograms(t, dir)
	t.Chdir(dir)
	for name, raw := range map[string]string{
		"empty/x": "", "broken.yaml": "a: [\n", "list.yaml": "- 1\n", "bad.yaml": "name: x\nextends: sched\nrepeats: many\n", "far.yaml": "name: x\nextends: ./none.yaml\n",
		"short.bin": "0123", "cut.pcap": "\xd4\xc3\xb2\xa1\x02\x00", "here/mine.bpf.c": "", "text.bpf.o": "text", "site/mine": "",
		"run/env.json": "{", "run/bench.txt": "", "run/samples.jsonl": "",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for kind, k := range map[string]struct {
		code int
		args map[string]string // with what is said
	}{
		"unknown word": {codeUsage, map[string]string{
			"ab xdp-nut xdp-nat": "unknown variant", "ab xdp-nat xdp-nat --like moon": "--like: unknown variant", "run lb --variants moon": "unknown variant", "run moon": "unknown experiment",
			"list moon": "unknown experiment", "init moon mine": "unknown family", "report --format moon run": "unknown format", "compare run run --format moon": "unknown format",
			"ab base.bpf.o kinds.bpf.o --program base,kind_xpd": `did you mean "kind_xdp"?`, "ab base.bpf.o plus8.bpf.o --axis input=udp5": "unknown input",
			"ab base.bpf.o,more=1 base.bpf.o": "unknown knob", "ab xdp-nat,more=1 xdp-nat": "unknown knob", "vm run --kernel moon -- true": `kernel "moon"`, "vm frob --kernal x": "unknown",
			"frob": "unknown command",
		}},
		"no number": {codeUsage, map[string]string{
			"run lb --repeat x": `"x" is not a whole number, such as 5`, "ab xdp-nat xdp-nat --repeat 5x": `"5x" is not a whole number, such as 5`,
			"run lb --seed -1": `"-1" is not a whole number of 0 or more, such as 1`, "run lb --silence 30": `"30" is not a time with its unit, such as 30s or 2m`,
			"vm run --memory 1G -- true": `"1G" is not a whole number, such as 512`, "run lb --wait=maybe": `"maybe" is not true or false`,
			"run lb --repeat 99999999999999999999": "is too large or too small a number", "ab scx-vtime,slice_us=x scx-vtime": `"x" is not a whole number from 0 to`,
			"compare run run --min-effect x": "such as 1% or 0.01", "ab xdp-nat xdp-nat --min-effect 300%": "such as 1% or 0.01", "run lb --axis flows=many": "axis flows",
			"run lb --shard 2": "want NUMBER/ALL, such as 2/7", "run lb --shard 3/2": "numbered from 1 to 2",
		}},
		"number that nothing has": {codeUsage, map[string]string{
			"run lb --cpus 256": "want 0 to 255", "vm run --cpus 0 -- true": "want 1 to 255", "vm shell --cpus 256": "want 1 to 255", "vm run --memory -5 -- true": "in MiB, such as 1024",
			"vm run --timeout -1s -- true": "--timeout -1s: want 0 or more", "run lb --silence 0s": "want more than 0", "plan lb --shards 0": "want 1 to", "plan lb --shards 10001": "want 1 to", "run lb --repeat -1": "a cell has from 1 to", "ab xdp-nat xdp-nat --repeat -1": "a cell has from 1 to",
		}},
		"what does not go together": {codeUsage, map[string]string{
			"ab xdp-nat scx-fifo": "do not do the same work", "ab base.bpf.o kinds.bpf.o --program base,kind_tc": "do not do the same work",
			"ab base.bpf.o scx-fifo": "name another variant by --like", "ab base.bpf.o base.bpf.o --like eevdf": "name another variant by --like",
			"ab base.bpf.o kinds.bpf.o": "name one by --program", "ab base.bpf.o plus8.bpf.o --input short.bin": "takes no packet below 14", "ab xdp-nat": "B is missing",
			"run lb --target host --kernel 6.12": "this machine's kernel", "list lb --json --yaml": "not with --json", "compare run run --changed --format json": "leave --changed out",
			"plan lb --target host --shards 2": "only runs on target exact are cut", "plan lb lb --shards 2": "named twice", "run lb --shard 2/3 --target vm": "only runs on target exact are cut",
			"run lb --plan plan.json": "the plan says which experiments", "run --plan plan.json --seed 3": "--seed beside --plan", "run lb --shard 1/2 --stacks": "for whole runs",
			"run --plan plan.json --variants iptables": "--variants beside --plan",
		}},
		"definition, settings or content of maps": {codeUsage, map[string]string{
			"run ./bad.yaml": "repeats", "list ./broken.yaml": "read YAML", "list --config broken.yaml": `not YAML, such as "profile: quick"`,
			"ab base.bpf.o base.bpf.o --input broken.yaml": "not YAML, such as - packet:", "ab base.bpf.o base.bpf.o --maps broken.yaml": "not YAML, such as vips:",
			"ab base.bpf.o base.bpf.o --maps list.yaml": "such as vips:", "ab base.bpf.o base.bpf.o --input bad.yaml": "such as - packet:",
		}},
		"missing file or folder": {codeFailed, map[string]string{
			"ab none.bpf.c xdp-nat": "no such file", "ab nase.bpf.o base.bpf.o": `did you mean "base.bpf.o"?`, "run none.yaml": "none.yaml: no such file",
			"run bed.yaml": `no such file, did you mean "bad.yaml"?`, "list far.yaml": "no such file", "list --config none.yaml": "no such file",
			"ab base.bpf.o base.bpf.o --input none.pcap": "read input none.pcap: no such file", "ab base.bpf.o base.bpf.o --maps none.yaml": "--maps none.yaml: no such file",
			"run lb --with none": "none: no such folder", "list lb --with emty": `no such folder, did you mean "empty"?`, "compare none run": "there is no such folder", "report none": "there is no such folder",
			"merge none": "no such file", "run --plan none.json --shard 1": "none.json: no such file",
			"site new": "results: no such folder; name run directories", "run lb --target exact --kernel ./none": "./none: no such file", "vm run --kernel ./none -- true": "./none: no such file",
		}},
		"damaged file": {codeFailed, map[string]string{
			"ab text.bpf.o base.bpf.o": "not an ELF object", "ab base.bpf.o base.bpf.o --input cut.pcap": "not a capture", "report run": "is cut off", "compare run run": "is cut off", "site new run": "is cut off",
			"run ./empty/":                      "not a regular file",
			"run --plan text.bpf.o --shard 1/2": "it is not JSON", "merge run": "it has no shard.json",
		}},
		"what would be overwritten": {codeFailed, map[string]string{
			"init sched mine here": "it is there already", "site site run": "name a new or empty folder",
		}},
	} {
		for args, want := range k.args {
			code, out, said := try(t, strings.Fields(args)...)
			if code != k.code || !strings.Contains(said, want) || out != "" {
				t.Errorf("%s: kxlab %s: exit code %d, %q; want %d, %q", kind, args, code, said, k.code, want)
			}
			if word := internal.FindString(said); word != "" {
				t.Errorf("%s: kxlab %s: %q is no word of a user's: %s", kind, args, word, said)
			}
		}
	}
	if _, err := os.Stat("results"); err == nil {
		t.Error("a run directory was made")
	}
}
