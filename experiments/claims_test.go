// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"os"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

const goodClaims = `
claims:
  - id: lb-six-times
    experiment: lb
    text: six times the throughput
    source: a talk
    measured: one UDP service
    figure: 6
    relation: ">="
    unit: pkt/s
    numerator: {workload: pps, variant: xdp-nat, where: [{name: services, value: 1}]}
    denominator: {workload: pps, variant: iptables}
  - id: elsewhere
    text: half the CPU
    source: a page
    url: https://example.org/page
    measured: two machines
    cannot: needs two machines
`

func TestParseClaims(t *testing.T) {
	raw, err := os.ReadFile("lb.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lb, err := Parse("lb.yaml", raw, Vocabulary{})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]harness.Experiment{"lb": lb}
	claims, err := parseClaims("claims.yaml", []byte(goodClaims), known)
	if err != nil {
		t.Fatal(err)
	}
	if len(claims) != 2 || claims[0].Figure != 6 || claims[0].Numerator.Where[0].Value != "1" || claims[1].Cannot == "" || claims[1].URL != "https://example.org/page" {
		t.Errorf("%+v", claims)
	}
	for _, tt := range []struct{ old, new, want string }{
		{"figure: 6", "figures: 6", "figures"},
		{"source: a talk", "source: a talk\n    url: http://example.org/", `url is "http://example.org/", must begin with https://`},
		{"source: a talk", "source: a talk\n    url: a talk", `must begin with https://`},
		{"id: elsewhere", "id: lb-six-times", "twice"},
		{"source: a talk", "source: ''", "claim lb-six-times: text, source"},
		{"experiment: lb", "experiment: bl", "unknown experiment"},
		{"figure: 6", "figure: 0", "figure is 0"},
		{"figure: 6", "figure: .nan", "figure is NaN"},
		{`relation: ">="`, "relation: more", "unknown relation"},
		{"unit: pkt/s", "unit: pps", `numerator: unknown unit "pps"`},
		{"variant: iptables", "variant: iptable", `denominator: unknown variant "iptable", did you mean "iptables"`},
		{"name: services", "name: service", "numerator: where: unknown axis"},
		{"cannot: needs", "figure: 3\n    cannot: needs", "claim elsewhere: it has a reason"},
	} {
		_, err := parseClaims("claims.yaml", []byte(strings.Replace(goodClaims, tt.old, tt.new, 1)), known)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.new, err, tt.want)
		}
	}
}

// The shipped claims are of the shipped experiments.
func TestShippedClaims(t *testing.T) {
	if _, err := Claims(); err != nil {
		t.Error(err)
	}
}
