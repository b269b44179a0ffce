// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// schedExitVariable is where a scheduler keeps why the kernel ended it.
const schedExitVariable = "sched_exit"

// checkSched finds callbacks of a scheduler that were forgotten. The kernel would take such a scheduler, and end it later or tell
// nobody why it ended.
func (o *OpsStruct) checkSched() error {
	bound := map[string]bool{}
	for _, program := range o.progs {
		bound[program] = true
	}
	for _, name := range slices.Sorted(maps.Keys(o.Spec.Programs)) {
		if strings.HasPrefix(o.Spec.Programs[name].SectionName, "struct_ops") && !bound[name] {
			return fmt.Errorf("program %s is no member of %s: name it there, .init = (void *)%[1]s or whatever it is", name, o.m.Name)
		}
	}
	if o.progs["exit"] == "" || o.Spec.Variables[schedExitVariable] == nil {
		return fmt.Errorf("%s has no .exit that keeps why the scheduler ended: include schedexit.bpf.h and set .exit = (void *)record_exit",
			o.m.Name)
	}
	if o.progs["init"] == "" && o.calls("scx_bpf_dsq_move_to_local") {
		return fmt.Errorf("%s takes tasks from queues of its own and has no .init that creates them (scx_bpf_create_dsq)", o.m.Name)
	}
	return nil
}

// calls tells whether a program of the object calls a function of the kernel.
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
