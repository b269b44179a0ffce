// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strings"

	"github.com/kxlab/kxlab/harness/sys"
)

// buildOptions are the kernel's build options that change the numbers or that a variant needs.
var buildOptions = map[string]bool{
	"CONFIG_HZ": true, "CONFIG_PREEMPT": true, "CONFIG_PREEMPT_NONE": true, "CONFIG_PREEMPT_VOLUNTARY": true,
	"CONFIG_PREEMPT_LAZY": true, "CONFIG_PREEMPT_RT": true, "CONFIG_PREEMPT_DYNAMIC": true, "CONFIG_NO_HZ_FULL": true,
	"CONFIG_BPF_JIT": true, "CONFIG_BPF_JIT_ALWAYS_ON": true, "CONFIG_DEBUG_INFO_BTF": true, "CONFIG_CGROUP_BPF": true,
	"CONFIG_NET_XGRESS": true, "CONFIG_VETH": true, "CONFIG_BRIDGE": true, "CONFIG_NETFILTER": true,
	"CONFIG_NF_CONNTRACK": true, "CONFIG_NF_TABLES": true, "CONFIG_IP_NF_IPTABLES": true, "CONFIG_IP_NF_IPTABLES_LEGACY": true,
	"CONFIG_IP_VS": true, "CONFIG_NET_SCH_NETEM": true, "CONFIG_SCHED_CLASS_EXT": true, "CONFIG_MODULES": true,
	"CONFIG_KASAN": true, "CONFIG_PROVE_LOCKING": true, "CONFIG_DEBUG_PREEMPT": true, "CONFIG_MITIGATION_RETPOLINE": true,
}

// switches are files with settings of the running kernel that change the numbers.
var switches = map[string]string{
	"bpf_jit_enable":   "/proc/sys/net/core/bpf_jit_enable",
	"bpf_jit_harden":   "/proc/sys/net/core/bpf_jit_harden",
	"bpf_stats":        "/proc/sys/kernel/bpf_stats_enabled",
	"clocksource":      "/sys/devices/system/clocksource/clocksource0/current_clocksource",
	"cpu_governor":     "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
	"smt":              "/sys/devices/system/cpu/smt/control",
	"transparent_huge": "/sys/kernel/mm/transparent_hugepage/enabled",
	"kernel_build":     "/proc/sys/kernel/version",
}

// settings reads the kernel's build options and switches.
func settings(release string) map[string]string {
	out := map[string]string{}
	for name, path := range switches {
		if v := line(path); v != "" {
			out[name] = v
		}
	}
	for k, v := range buildConfig(release) {
		if buildOptions[k] {
			out[k] = v
		}
	}
	out["btf"] = "no"
	if _, err := os.Stat(btfFile); err == nil {
		out["btf"] = "yes"
	}
	out["cgroup2"] = "none"
	if dir, _, err := sys.Cgroup2(); err == nil {
		out["cgroup2"] = dir
	}
	return out
}

const btfFile = "/sys/kernel/btf/vmlinux"

// buildConfig reads the running kernel's build options from the usual places of distributions; nil if none has them.
func buildConfig(release string) map[string]string {
	if f, err := os.Open("/proc/config.gz"); err == nil {
		defer f.Close()
		if z, err := gzip.NewReader(f); err == nil {
			return parseConfig(z)
		}
	}
	for _, path := range []string{"/boot/config-" + release, "/lib/modules/" + release + "/config"} {
		if raw, err := os.ReadFile(path); err == nil {
			return parseConfig(bytes.NewReader(raw))
		}
	}
	return nil
}

func parseConfig(r io.Reader) map[string]string {
	out := map[string]string{}
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		if k, v, ok := strings.Cut(sc.Text(), "="); ok && !strings.HasPrefix(k, "#") {
			out[k] = strings.Trim(v, `"`)
		}
	}
	return out
}
