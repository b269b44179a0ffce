// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// TestUnmeasured: cells that have no number for one reason are one line, also where the reason names the variant.
func TestUnmeasured(t *testing.T) {
	r := &record.Run{Env: record.Env{Experiment: "lb", Outcomes: []record.CellOutcome{
		{Cell: "LB/workload=pps/class=nat/variant=ipvs-nat/services=1", Outcome: harness.OutcomeNotSupported, Where: harness.AtSetup, Reason: "put variant ipvs-nat: no IPVS here"},
		{Cell: "LB/workload=crr/class=nat/variant=ipvs-nat/services=1", Outcome: harness.OutcomeNotSupported, Where: harness.AtSetup, Reason: "put variant ipvs-nat: no IPVS here"},
		{Cell: "LB/workload=pps/class=ipip/variant=ipvs-tun/services=1", Outcome: harness.OutcomeNotSupported, Where: harness.AtSetup, Reason: "put variant ipvs-tun: no IPVS here"},
		{Cell: "LB/workload=pps/class=socket/variant=sock-connect/services=1", Outcome: harness.OutcomeNotSupported, Where: harness.AtSetup, Reason: "no packets"},
	}}}
	want := []string{
		"3 cells: not supported at set-up: no IPVS here: ipvs-nat, ipvs-tun in pps, crr",
		"LB/workload=pps/class=socket/variant=sock-connect/services=1: not supported at set-up: no packets",
	}
	if d := cmp.Diff(want, verdict.Unmeasured(r)); d != "" {
		t.Error(d)
	}
	var b bytes.Buffer
	if err := writePage(&b, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), want[0]) {
		t.Error("the page does not have the line")
	}
}

// TestUnmeasuredMany: a terminal prints the reason before the names of so many cells that they are cut.
func TestUnmeasuredMany(t *testing.T) {
	r := synthetic.Golden()
	r.Env.Outcomes = nil
	for i := range 90 {
		cell := fmt.Sprintf("LB/workload=pps/class=nat/variant=a-long-name-%dx/services=1", i)
		r.Env.Outcomes = append(r.Env.Outcomes, record.CellOutcome{Cell: cell, Outcome: harness.OutcomeNotSupported, Where: harness.AtTrial, Reason: "modules run in guests only"})
	}
	var b bytes.Buffer
	if err := WriteShort(&b, verdict.Analyze(r), Short{Lines: 60, Width: 100}); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(strings.Fields(b.String()), " "); !strings.Contains(text, "first: 90 cells: not supported at trial: modules run in guests only: a-long-name-0x") {
		t.Errorf("the reason is missing in\n%s", b.String())
	}
}
