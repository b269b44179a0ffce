// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/harness/sys"
)

// probes returns the table of capabilities of target host: first those that everything needs, then those of single variants.
func probes() []probe {
	rows := []probe{
		{what: "two CPUs", needed: "CPU cost at a fixed rate", fix: "a machine with two CPUs", try: twoCPUs},
		{what: "BPF JIT", needed: "meaningful numbers of BPF variants", fix: "sysctl -w net.core.bpf_jit_enable=1", try: jit},
		{what: "BTF of the kernel", needed: "BPF variants that read kernel structures", fix: "a kernel with CONFIG_DEBUG_INFO_BTF=y", try: btf},
		{what: "cgroup v2", methods: []string{"cgroup"}, fix: "mount -t cgroup2 none /sys/fs/cgroup/unified", try: cgroup2},
		{what: "socket hooks", methods: []string{"cgroup"}, fix: "a kernel with CONFIG_CGROUP_BPF=y", try: socketHooks},
		{what: "threaded NAPI", needed: "CPU cost at a fixed rate", fix: "Linux 5.12 or newer", try: napi},
		{what: "connection tracking", methods: []string{"iptables", "iptables-nft", "nftables"}, fix: "modprobe nf_conntrack", inside: true, try: conntrack},
		{what: "veth", needed: "everything", fix: "a kernel with CONFIG_VETH", vital: true, inside: true, try: veth},
		{what: "bridge", needed: "everything", fix: "a kernel with CONFIG_BRIDGE", vital: true, inside: true, try: bridge},
		{what: "native XDP on veth", needed: "everything", fix: "Linux 5.9 or newer with CONFIG_BPF_SYSCALL=y", vital: true, inside: true, try: nativeXDP},
		{what: "live XDP frames", needed: "everything", fix: "Linux 5.18 or newer", vital: true, inside: true, try: liveFrames},
		{what: "netem", needed: "emulated links (experiment cc)", fix: "a kernel with CONFIG_NET_SCH_NETEM; or --target exact or vm", inside: true, try: netem},
		{what: "tcx", methods: []string{"tcx"}, fix: "Linux 6.6 or newer with CONFIG_NET_XGRESS=y", inside: true, try: tcx},
	}
	for _, t := range tools {
		rows = append(rows, probe{
			what: t.command, methods: []string{t.method}, fix: t.fix(), inside: true,
			try: func(ctx context.Context) (string, error) {
				if _, err := t.run(ctx, t.useArgs...); err != nil {
					return "", err
				}
				return t.version(ctx)
			},
		})
	}
	return rows
}

// fix is the command that installs the tool, or, if the tool is installed, the kernel option that it needs.
func (t tool) fix() string {
	if _, err := sys.LookTool(t.command); err != nil {
		return "apt-get install " + t.pkg
	}
	return t.kernel
}

func twoCPUs(context.Context) (string, error) {
	if n := runtime.NumCPU(); n < 2 {
		return "", fmt.Errorf("the machine has %d CPU", n)
	}
	return fmt.Sprintf("%d CPUs", runtime.NumCPU()), nil
}

func jit(context.Context) (string, error) {
	switch v := line(switches["bpf_jit_enable"]); v {
	case "1", "2":
		return "", nil
	case "":
		return "", errors.New("net.core.bpf_jit_enable cannot be read")
	default:
		return "", fmt.Errorf("net.core.bpf_jit_enable is %s", v)
	}
}

func btf(context.Context) (string, error) {
	info, err := os.Stat(btfFile)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %d KiB", btfFile, info.Size()>>10), nil
}

// cgroup2 makes a cgroup and removes it again.
func cgroup2(context.Context) (string, error) {
	dir, _, err := sys.Cgroup2()
	if err != nil {
		return "", err
	}
	probe := filepath.Join(dir, fmt.Sprintf("kxlab-probe-%d", os.Getpid()))
	if err := os.Mkdir(probe, 0o755); err != nil {
		return "", err
	}
	return dir, os.Remove(probe)
}

func socketHooks(context.Context) (string, error) {
	t := ebpf.CGroupSockAddr
	return "", unsupported("BPF programs of type "+t.String(), features.HaveProgramType(t))
}

// napi reads the switch of the loopback device, which every machine has.
func napi(context.Context) (string, error) {
	_, err := os.Stat("/sys/class/net/lo/threaded")
	return "", err
}

func conntrack(context.Context) (string, error) {
	limit := line("/proc/sys/net/netfilter/nf_conntrack_max")
	if limit == "" {
		return "", errors.New("nf_conntrack is not loaded")
	}
	return "at most " + limit + " connections", nil
}

func veth(context.Context) (string, error) { return "", addLink(&netlink.Veth{PeerName: "kxprobe1"}) }

func bridge(context.Context) (string, error) { return "", addLink(&netlink.Bridge{}) }

// netem adds an emulated delay to the loopback device of this namespace and removes it again.
func netem(context.Context) (string, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return "", err
	}
	q := netlink.NewNetem(netlink.QdiscAttrs{LinkIndex: lo.Attrs().Index, Parent: netlink.HANDLE_ROOT, Handle: 1 << 16},
		netlink.NetemQdiscAttrs{Latency: 1000})
	if err := netlink.QdiscAdd(q); err != nil {
		return "", unsupported("queueing discipline netem", err)
	}
	return "", netlink.QdiscDel(q)
}

// addLink adds a link of the given type in this namespace and removes it again.
func addLink(l netlink.Link) error {
	l.Attrs().Name = "kxprobe0"
	if err := netlink.LinkAdd(l); err != nil {
		return unsupported("links of type "+l.Type(), err)
	}
	return netlink.LinkDel(l)
}
