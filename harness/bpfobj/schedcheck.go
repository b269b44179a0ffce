// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// schedExitVariable is the variable in which a scheduler records the reason of its ejection.
const schedExitVariable = "sched_exit"

// checkSched returns an error if callbacks of a scheduler are missing. The kernel would accept such a scheduler and eject
// it later, or eject it without a recorded reason.
func (o *OpsStruct) checkSched() error {
	bound := slices.Collect(maps.Values(o.progs))
	for _, name := range slices.Sorted(maps.Keys(o.Spec.Programs)) {
		if strings.HasPrefix(o.Spec.Programs[name].SectionName, "struct_ops") && !slices.Contains(bound, name) {
			return fmt.Errorf("program %s is no member of %s: add it there, for example .init = (void *)%[1]s", name, o.m.Name)
		}
	}
	if o.progs["exit"] == "" || o.Spec.Variables[schedExitVariable] == nil {
		return fmt.Errorf("%s does not record its exit reason: include schedexit.bpf.h and set .exit = (void *)record_exit", o.m.Name)
	}
	if o.progs["init"] == "" && o.calls("scx_bpf_dsq_move_to_local") {
		return fmt.Errorf("%s moves tasks from its own queues and has no .init that creates them (scx_bpf_create_dsq)", o.m.Name)
	}
	return nil
}

// calls is true if a program of the object calls the kfunc.
func (o *OpsStruct) calls(kfunc string) bool {
	for _, p := range o.Spec.Programs {
		for _, ins := range p.Instructions {
			if ins.IsKfuncCall() && ins.Reference() == kfunc {
				return true
			}
		}
	}
	return false
}
