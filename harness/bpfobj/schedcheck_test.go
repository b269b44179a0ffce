// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/bpf"
)

// A scheduler without a callback that it needs is refused before it is loaded, with what to do.
func TestForgottenCallback(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(o *OpsStruct)
		want  string
	}{
		{"whole", func(*OpsStruct) {}, ""},
		{"exit", func(o *OpsStruct) { o.drop("exit") }, ".exit = (void *)record_exit"},
		{"variable", func(o *OpsStruct) { delete(o.Spec.Variables, schedExitVariable) }, ".exit = (void *)record_exit"},
		{"init", func(o *OpsStruct) { o.drop("init") }, "scx_bpf_create_dsq"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec, err := bpf.Open("sched/scx_vtime")
			if err != nil {
				t.Fatal(err)
			}
			o, err := findOps("sched/scx_vtime", spec, schedExtOps)
			if err != nil {
				t.Fatal(err)
			}
			tt.spoil(o)
			err = o.checkSched()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want an error with %q", err, tt.want)
			}
		})
	}
}

// TestExitVariable: the lab's variable is found, and that of the kernel's own schedulers by its type.
func TestExitVariable(t *testing.T) {
	spec, err := bpf.Open("sched/scx_vtime")
	if err != nil {
		t.Fatal(err)
	}
	if got := ExitVariable(spec); got != schedExitVariable {
		t.Errorf("%q", got)
	}
	delete(spec.Variables, schedExitVariable)
	if got := ExitVariable(spec); got != "" {
		t.Errorf("%q is no exit reason", got)
	}
	spec.Variables["uei"] = &ebpf.VariableSpec{Name: "uei", Type: &btf.Var{Name: "uei", Type: &btf.Struct{Name: KernelExitInfo}}}
	if got := ExitVariable(spec); got != "uei" {
		t.Errorf("%q", got)
	}
}
