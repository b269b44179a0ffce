// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// A way replaces one version by the next. It is put in force with version 1. Load and Replace are called on a thread in the
// namespace of the site.
type way interface {
	harness.Extension
	// Load makes version g, and puts nothing in force.
	Load(ctx context.Context, g uint32) error
	// Replace puts the version that was loaded last in the place of the one in force.
	Replace(ctx context.Context) error
}

// methods are the ways to replace. rules is the number of rules in a table; guest says that this is the kernel of a guest.
func methods(l *bpfobj.Loader, rules int, guest bool) harness.Methods[way] {
	program := func(open func(harness.Site) (hook, error)) harness.Method[way] {
		return func(_ context.Context, v harness.Variant, at harness.Site) (way, error) {
			return putProgram(l, v, at, open)
		}
	}
	ruleset := func(t table, next func(from, to uint32) []command) harness.Method[way] {
		return func(ctx context.Context, _ harness.Variant, at harness.Site) (way, error) {
			return putRules(ctx, l, at, t, rules, next)
		}
	}
	whole := func(t table) harness.Method[way] {
		return ruleset(t, func(_, g uint32) []command { return []command{t.whole(rules, g)} })
	}
	rule := func(t table) harness.Method[way] {
		return ruleset(t, func(_, g uint32) []command { return []command{t.rule(g)} })
	}
	careless := func(t table) harness.Method[way] {
		return ruleset(t, func(_, g uint32) []command { return t.careless(g) })
	}
	ops := func(careless bool) harness.Method[way] {
		return func(ctx context.Context, v harness.Variant, _ harness.Site) (way, error) {
			return putOps(ctx, l, v, careless)
		}
	}
	sched := func(careless bool) harness.Method[way] {
		return func(ctx context.Context, v harness.Variant, _ harness.Site) (way, error) {
			return putSched(ctx, l, v, guest, careless)
		}
	}
	legacy, compat, nft, ipvs := iptablesTable("iptables-legacy"), iptablesTable("iptables-nft"), nftTable(), ipvsTable()
	return harness.Methods[way]{
		harness.AttachCommand:   putAnswers,
		"module":                func(_ context.Context, _ harness.Variant, at harness.Site) (way, error) { return putModule(at, guest) },
		"ipvs-edit":             ruleset(ipvs, ipvsEdit),
		"ipvs-restore":          ruleset(ipvs, ipvsOnce),
		"ipvs-clear":            ruleset(ipvs, func(_, g uint32) []command { return ipvsClear(rules, g) }),
		"cgroup-link":           program(func(at harness.Site) (hook, error) { return openCgroup(l, at, false) }),
		"cgroup-detach":         program(func(at harness.Site) (hook, error) { return openCgroup(l, at, true) }),
		"xdp-none":              program(func(at harness.Site) (hook, error) { return &xdpNone{xdpLink{at: at}}, nil }),
		"xdp-link":              program(func(at harness.Site) (hook, error) { return &xdpLink{at: at}, nil }),
		"xdp-netlink":           program(func(at harness.Site) (hook, error) { return &xdpNetlink{at: at}, nil }),
		"xdp-detach":            program(func(at harness.Site) (hook, error) { return &xdpDetach{xdpLink{at: at}}, nil }),
		"tcx-link":              program(func(at harness.Site) (hook, error) { return openTCX(at, false) }),
		"tcx-detach":            program(func(at harness.Site) (hook, error) { return openTCX(at, true) }),
		"cls-bpf":               program(func(at harness.Site) (hook, error) { return openFilter(at, false) }),
		"cls-bpf-delete":        program(func(at harness.Site) (hook, error) { return openFilter(at, true) }),
		"tail-call":             program(func(at harness.Site) (hook, error) { return openTail(l, at, false) }),
		"tail-delete":           program(func(at harness.Site) (hook, error) { return openTail(l, at, true) }),
		"map-in-map":            func(_ context.Context, v harness.Variant, at harness.Site) (way, error) { return putTable(l, v, at) },
		"iptables-legacy":       whole(legacy),
		"iptables-legacy-rule":  rule(legacy),
		"iptables-legacy-flush": careless(legacy),
		"iptables-nft":          whole(compat),
		"iptables-nft-rule":     rule(compat),
		"iptables-nft-flush":    careless(compat),
		"nft":                   whole(nft),
		"nft-rule":              rule(nft),
		"nft-flush":             careless(nft),
		"sched-link":            sched(false),
		"sched-detach":          sched(true),
		"cc-link":               ops(false),
		"cc-register":           ops(true),
	}
}
