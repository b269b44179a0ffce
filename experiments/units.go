// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"fmt"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// The amounts and what they are divided by. Only base units: readers of the benchmark format rescale "ns" and "MB/s".
var (
	amounts = []string{"pkt", "conn", "req", "op", "B", "bit", "sec", "cpu-ns", "insn", "broken", "share", "switch", "migration"}
	pers    = []string{"s", "pkt", "seg", "conn", "req", "op", "B", "update", "sync", "switch"}
)

// checkUnit returns an error unless unit is an amount, or an amount per something, where the amount may be qualified by
// words before it: "pkt/s", "sec", "p99-sec", "moved-share", "sec/update".
func checkUnit(unit string) error {
	amount, per, isRate := strings.Cut(unit, "/")
	if err := harness.CheckName("unit", amount); err != nil {
		return err
	}
	if isRate {
		if err := harness.Known("base unit after the slash in "+unit, per, pers); err != nil {
			return err
		}
	}
	for _, a := range amounts {
		if amount == a || strings.HasSuffix(amount, "-"+a) && !strings.HasSuffix(amount, "cpu-"+a) {
			return nil
		}
	}
	return fmt.Errorf("unit %s: %w", unit, harness.Known("base unit", amount, amounts))
}
