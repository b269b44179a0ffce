// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"strings"
	"testing"

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
