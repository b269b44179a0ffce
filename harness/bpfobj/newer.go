// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/harness"
)

// The tables below list the kfuncs and operations that some kernel has. If this kernel lacks one of them, the program is
// not supported; a kfunc or operation that is in no table is a fault of the program.

// kfuncSince holds the release that introduced a kfunc.
var kfuncSince = map[string]string{
	"bpf_cpumask_test_cpu": "6.3",
	"tcp_slow_start":       "5.13", "tcp_cong_avoid_ai": "5.13", "tcp_reno_undo_cwnd": "5.13", "tcp_reno_ssthresh": "5.13",
	"tcp_reno_cong_avoid": "5.13", "tcp_lp_undo_cwnd": "6.14",

	"scx_bpf_create_dsq": "6.12", "scx_bpf_destroy_dsq": "6.12", "scx_bpf_dsq_nr_queued": "6.12",
	"scx_bpf_select_cpu_dfl": "6.12", "scx_bpf_pick_idle_cpu": "6.12", "scx_bpf_pick_any_cpu": "6.12",
	"scx_bpf_test_and_clear_cpu_idle": "6.12", "scx_bpf_kick_cpu": "6.12", "scx_bpf_nr_cpu_ids": "6.12",
	"scx_bpf_task_cpu": "6.12", "scx_bpf_task_running": "6.12", "scx_bpf_task_cgroup": "6.12", "scx_bpf_cpu_rq": "6.12",
	"scx_bpf_cpuperf_cap": "6.12", "scx_bpf_cpuperf_cur": "6.12", "scx_bpf_cpuperf_set": "6.12",
	"scx_bpf_dispatch_nr_slots": "6.12", "scx_bpf_dispatch_cancel": "6.12", "scx_bpf_reenqueue_local": "6.12",
	"scx_bpf_get_possible_cpumask": "6.12", "scx_bpf_get_online_cpumask": "6.12", "scx_bpf_put_cpumask": "6.12",
	"scx_bpf_get_idle_cpumask": "6.12", "scx_bpf_get_idle_smtmask": "6.12", "scx_bpf_put_idle_cpumask": "6.12",
	"scx_bpf_exit_bstr": "6.12", "scx_bpf_error_bstr": "6.12", "scx_bpf_dump_bstr": "6.12",
	"bpf_iter_scx_dsq_new": "6.12", "bpf_iter_scx_dsq_next": "6.12", "bpf_iter_scx_dsq_destroy": "6.12",
	"scx_bpf_dispatch": "6.12, removed since", "scx_bpf_dispatch_vtime": "6.12, removed since", "scx_bpf_consume": "6.12, removed since",

	"scx_bpf_dsq_insert": "6.13", "scx_bpf_dsq_insert_vtime": "6.13", "scx_bpf_dsq_move_to_local": "6.13",
	"scx_bpf_dsq_move": "6.13", "scx_bpf_dsq_move_vtime": "6.13", "scx_bpf_now": "6.14",
	"scx_bpf_nr_node_ids": "6.15", "scx_bpf_cpu_node": "6.15", "scx_bpf_events": "6.15", "scx_bpf_select_cpu_and": "6.16",
	"scx_bpf_cpu_curr": "6.18", "scx_bpf_locked_rq": "6.18", "__scx_bpf_dsq_insert_vtime": "6.19",
	"__scx_bpf_select_cpu_and": "6.19", "scx_bpf_task_set_dsq_vtime": "6.19", "scx_bpf_task_set_slice": "6.19",
}

// memberSince holds the release that introduced an operation or changed its arguments.
var memberSince = map[string]map[string]string{
	ccOps:       {"cong_control": "4.9, with four arguments since 6.10", "cwnd_event_tx_start": "7.1"},
	schedExtOps: {"cgroup_set_bandwidth": "6.17", "cgroup_set_idle": "6.19", "sub_attach": "7.1", "sub_detach": "7.1"},
}

// baseName returns a kfunc's name without the suffix of its flavour (___v2).
func baseName(kfunc string) string {
	name, _, _ := strings.Cut(kfunc, "___")
	return name
}

// missingKfunc returns the error for a kfunc that this kernel lacks or declares in another form.
func missingKfunc(name, detail string) error {
	if since, known := kfuncSince[baseName(name)]; known {
		return harness.Skip("kernel has another API generation: kfunc %s %s (it came with %s)", name, detail, since)
	}
	hint := ""
	if near := harness.Closest(name, slices.Sorted(maps.Keys(kfuncSince))); near != "" {
		hint = fmt.Sprintf(", did you mean %s?", near)
	}
	return fmt.Errorf("kfunc %s %s, and is not known to come with another kernel%s", name, detail, hint)
}

// missingMember returns the error for an operation that this kernel lacks or calls with other arguments.
func missingMember(object, ops, member, detail string) error {
	if since, known := memberSince[ops][member]; known {
		return harness.Skip("load %s: this kernel's struct %s %s (%s came with %s)", object, ops, detail, member, since)
	}
	return fmt.Errorf("load %s: this kernel's struct %s %s, and %s is not known to come with another kernel", object, ops, detail, member)
}

// unknownKfuncs returns the functions an object declares that neither this kernel nor, by kfuncSince, another one has.
func unknownKfuncs(own *btf.Spec) []string {
	kernel, err := btf.LoadKernelSpec()
	if err != nil || own == nil {
		return nil
	}
	var out []string
	for t, err := range own.All() {
		if err != nil {
			return nil
		}
		f, ok := t.(*btf.Func)
		if ok && f.Linkage == btf.ExternFunc && kfuncSince[baseName(f.Name)] == "" && exactFunc(kernel, f.Name) == nil {
			out = append(out, f.Name)
		}
	}
	return out
}

// knownHelper is true if a kernel has a helper of the number.
func knownHelper(n int) bool {
	return n > 0 && !strings.HasPrefix(asm.BuiltinFunc(n).String(), "BuiltinFunc(")
}
