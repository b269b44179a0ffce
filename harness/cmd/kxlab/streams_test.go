// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"
)

// TestColours: a terminal has colours unless NO_COLOR is set, anything else has none.
func TestColours(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, tt := range []struct {
		f        *os.File
		no, term string
		want     bool
	}{{terminal, "", "xterm", true}, {terminal, "1", "xterm", false}, {terminal, "", "dumb", false}, {file, "", "xterm", false}} {
		t.Setenv("NO_COLOR", tt.no)
		t.Setenv("TERM", tt.term)
		if got := colours(tt.f); got != tt.want {
			t.Errorf("%s, NO_COLOR=%q, TERM=%s: %t, want %t", tt.f.Name(), tt.no, tt.term, got, tt.want)
		}
	}
}

// TestPlain: what a terminal obeys is no part of a message, whatever path or definition it came from.
func TestPlain(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("title.yaml", []byte("extends: lb\nname: mine\nquestion: \"<b>\\e[31mred\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"list", "./title.yaml"}, {"report", "we\x1b[31mird"}, {"ab", "we\x1b[31mird.bpf.c", "xdp-nat"}, {"list", "we\x1b]0;x\x07"}} {
		if code, out, errs := try(t, args...); code == codeDone || strings.ContainsAny(out+errs, "\x1b\x07") || errs == "" {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out, errs)
		}
	}
	var out strings.Builder
	if err := (streams{out: &out}).say("results in %s\t\n", "a\x1b[31m\u009b1m"); err != nil || out.String() != "results in a?[31m?1m\t\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestWidth: what is no terminal is as wide as COLUMNS says.
func TestWidth(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for columns, want := range map[string]int{"": 0, "72": 72, "-1": 0, "many": 0} {
		t.Setenv("COLUMNS", columns)
		if got := width(f); got != want {
			t.Errorf("COLUMNS=%s: %d, want %d", columns, got, want)
		}
	}
}
