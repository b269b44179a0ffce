// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// Options configure an Attacher. The zero value is fit for use.
type Options struct {
	// Log is told what may interest whoever looks for a fault: what was loaded, what was left out. May be nil.
	Log func(string)
	// RingLines is the room for rings in a BPF object, in lines of 32 slots (64 bytes). 0: 1<<20, enough for 4,096 sets of
	// up to 10 backends each, however many services share them; on a machine with less than 3 GiB of memory, where many
	// objects stand side by side, 1<<15 (128 sets). The knob ring_size makes room for more.
	RingLines uint32
	// FlowEntries is the size of flow tables, connections, where the variant does not say. 0: what the object says, or
	// on a machine with less than 3 GiB of memory, at most 1<<16.
	FlowEntries uint32
	// Guest says that this is a guest of the lab, whose scheduler may be replaced.
	Guest bool
	// AllowSchedExtOnHost lets a scheduler be replaced outside a guest, for the whole machine and all its users.
	AllowSchedExtOnHost bool
}

// Sizes for machines with little memory, such as guests.
const (
	littleMemory     = 3 << 30 // bytes
	littleRingLines  = 1 << 15
	littleFlowsTable = 1 << 16
)

// fit sets the sizes that are not given by the machine's memory, in bytes.
func (o Options) fit(memory uint64) Options {
	if memory == 0 || memory >= littleMemory {
		return o
	}
	if o.RingLines == 0 {
		o.RingLines = littleRingLines
	}
	if o.FlowEntries == 0 {
		o.FlowEntries = littleFlowsTable
	}
	return o
}

// machineMemory is in bytes; 0 if it is not known.
func machineMemory() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return info.Totalram * uint64(info.Unit)
}

// An Attacher puts variants in force. It has no state but what it has read of the running kernel, and is safe for
// concurrent use.
type Attacher struct {
	log         func(string)
	ringLines   uint32
	flowEntries uint32
	types       *btf.Cache // of the kernel: to read them takes longer than to load an object

	guest, allowSchedExtOnHost bool
}

// New returns an Attacher.
func New(o Options) *Attacher {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	o = o.fit(machineMemory())
	return &Attacher{types: btf.NewCache(), log: o.Log, ringLines: o.RingLines, flowEntries: o.FlowEntries,
		guest: o.Guest, allowSchedExtOnHost: o.AllowSchedExtOnHost}
}

// A constructor puts a variant of one method in force. On error nothing of it is left.
type constructor func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error)

// methods is the table of what Variant.Attach may name.
func (a *Attacher) methods() map[string]constructor {
	return map[string]constructor{
		"xdp": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return a.newBPF(v, at, attachXDP)
		},
		"tcx": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return a.newBPF(v, at, attachTCX)
		},
		"cgroup": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return a.newBPF(v, at, attachCgroup)
		},
		"iptables": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return newIPTables(v, at, "legacy")
		},
		"iptables-nft": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return newIPTables(v, at, "nft")
		},
		"nftables": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return newNFTables(v, at)
		},
		"forward": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return newForward(v, at)
		},
		"eevdf": func(context.Context, harness.Variant, harness.Site) (harness.Extension, error) {
			return newEEVDF()
		},
		"sched_ext": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return a.newSchedExt(ctx, v)
		},
		"struct_ops": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return a.newStructOps(v)
		},
		"tcp-cc": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return newKernelCC(v, at)
		},
		"load": func(_ context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return a.newLoaded(v, at)
		},
		"ipvs-nat": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return newIPVS(v, at, ipvsMasquerade)
		},
		"ipvs-tun": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return newIPVS(v, at, ipvsTunnel)
		},
		"ipvs-dr": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return newIPVS(v, at, ipvsDirect)
		},
	}
}

// Put puts the variant in force at the site. An error that wraps harness.ErrNotSupported means that this machine
// cannot do it; after any error nothing of the variant is left at the site.
func (a *Attacher) Put(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
	put, ok := a.methods()[v.Attach]
	if !ok {
		return nil, fmt.Errorf("put variant %s: unknown method %q (there are: %s)", v.Name, v.Attach,
			strings.Join(Methods(), ", "))
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("put variant %s: %w", v.Name, err)
	}
	b, err := put(ctx, v, at)
	if err != nil {
		return nil, fmt.Errorf("put variant %s: %w", v.Name, err)
	}
	return b, nil
}

// Settings lists what Variant.Settings may hold: the values of each setting of each method that has any.
func Settings() map[string]map[string][]string {
	ipvs := map[string][]string{"scheduler": slices.Sorted(maps.Keys(ipvsSchedulers()))}
	return map[string]map[string][]string{"ipvs-nat": ipvs, "ipvs-tun": ipvs, "ipvs-dr": ipvs}
}

// Methods lists what Variant.Attach may name, sorted.
func Methods() []string {
	return slices.Sorted(maps.Keys(New(Options{}).methods()))
}
