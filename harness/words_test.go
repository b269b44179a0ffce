// SPDX-License-Identifier: Apache-2.0

package harness_test

import (
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

func TestKnown(t *testing.T) {
	variants := []string{"iptables", "iptables-nft", "xdp-ipip", "xdp-nat"}
	for _, tt := range []struct{ word, want string }{
		{"xdp-nat", ""},
		{"xdp-nta", `did you mean "xdp-nat"?`},
		{"XDP-NAT", `did you mean "xdp-nat"?`},
		{"xdp-i", `did you mean "xdp-ipip"?`},
		{"iptable", `did you mean "iptables"?`},
		{"quic", "there are: iptables, iptables-nft, xdp-ipip, xdp-nat"},
	} {
		err := harness.Known("variant", tt.word, variants)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.word, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %q in it", tt.word, err, tt.want)
		}
	}
	if err := harness.Known("variant", "quic", variants); strings.Contains(err.Error(), "did you mean") {
		t.Errorf("far-fetched guess: %v", err)
	}
	if err := harness.Known("plot", "x", nil); !strings.Contains(err.Error(), "there is none") {
		t.Errorf("no words known: %v", err)
	}
}

// TestClosest: letters that changed places are one mistake, and the beginning of a long word says which one is meant.
func TestClosest(t *testing.T) {
	for _, tt := range []struct {
		word, want string
		known      []string
	}{
		{"wacth", "watch", []string{"wait", "watch"}},
		{"dropt", "dropped", []string{"counters", "dropped"}},
		{"dropt", "", []string{"dropped", "droplets"}}, // two
		{"work", "workloads", []string{"workloads", "variants"}},
		{"abb", "ab", []string{"ab", "bench"}},
		{"wor", "", []string{"workloads"}},
		{"", "", []string{"workloads"}},
	} {
		if got := harness.Closest(tt.word, tt.known); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.word, got, tt.want)
		}
	}
}

func TestPlural(t *testing.T) {
	for n, want := range map[int]string{0: "0 rows were", 1: "1 row was", 2: "2 rows were"} {
		if got := harness.Plural(n, "row") + " " + harness.Were(n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
