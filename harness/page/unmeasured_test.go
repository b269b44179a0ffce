// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
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
		"3 cells, ipvs-nat, ipvs-tun in pps, crr: not supported at set-up: no IPVS here",
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
