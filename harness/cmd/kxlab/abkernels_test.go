// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/vm"
)

// twoKernels are the releases of two kernels in the cache, the older first, and the words that name them. There are seldom two.
func twoKernels(t *testing.T) (words string, releases [2]string) {
	t.Helper()
	needsGuests(t)
	cached, err := vm.Cached()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, word := range []string{"6.12", "7.2"} {
		for _, k := range cached {
			if strings.HasPrefix(k.Release, word+".") && k.Flavour == "cloud" {
				releases[len(names)] = k.Release
				names = append(names, word)
				break
			}
		}
	}
	if len(names) < 2 {
		t.Skip("needs kernels 6.12 and 7.2: kxlab vm fetch 6.12")
	}
	return strings.Join(names, ","), releases
}

// TestABKernels: on two kernels there is a column for each. A difference between A and B is found, and fails the gate; A alone is held
// against itself; a kernel named twice in two ways is refused before a guest boots. On 6.12 a seed differs at times, by tens of
// instructions a run: the test asks for no figure there.
func TestABKernels(t *testing.T) {
	words, releases := twoKernels(t)
	dir := t.TempDir()
	copyPrograms(t, dir)
	first, second := regexp.QuoteMeta(releases[0]), regexp.QuoteMeta(releases[1])
	for _, c := range []struct {
		args string
		fail string // on standard error; empty: exit code 0
		out  string // a regular expression
	}{
		{"kinds.bpf.o kinds.bpf.o --program kind_socket,kind_cgroup --like prog --kernel " + words, "A is a program of type socket filter and B of type cgroup_skb", ``},
		// XDP programs, of which a call with repeats takes more than 10 ms on 6.12.
		{"base.bpf.o plus8.bpf.o --axis input=udp4 --gate --kernel " + words, "kernel " + releases[1] + ": 1 row, 1 worse",
			`^` + first + `: .*\n` + second + `: plus8.bpf.o takes 8\.0 more instructions a run than .*: worse\.\nBetween the kernels .*\n` +
				`(.*\n)*  at +unit +` + first + ` +` + second + ` +kernels\n  input=udp4  insn/run .*\+8\.00 insn/run \[.*\] worse .*\n`},
		{"tcbase.bpf.o --axis input=udp4 --kernel " + words, "", `^.*tcbase.bpf.o on ` + first +
			`(.*\n)*  at +unit +` + first + ` +` + second + ` +` + second + ` against ` + first + `\n`},
		{"tcbase.bpf.o --kernel " + words + "," + releases[1][:len("7.2.12")], "--kernel: 7.2 and 7.2.12 are the same kernel", ``},
	} {
		cmd, errs := command(t, dir, append([]string{"ab", "--repeat", "2"}, strings.Fields(c.args)...)...)
		out, err := cmd.Output()
		if (err == nil) != (c.fail == "") || !strings.Contains(errs.String(), c.fail) || !regexp.MustCompile(c.out).Match(out) {
			t.Errorf("ab %s: %v\n%s%s\nwant %q, %s", c.args, err, out, errs, c.fail, c.out)
		}
	}
}
