// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// Options configure an Attacher. The zero value is fit for use.
type Options struct {
	// Log is told what may interest whoever looks for a fault: what was loaded, what was left out. May be nil.
	Log func(string)
	// RingLines is the room for rings in a BPF object, in lines of 32 slots (64 bytes). 0: 1<<20, enough for 32,768
	// services of up to 10 backends each without two that share a set of backends.
	RingLines uint32
}

// An Attacher puts variants in force. It has no state of its own and is safe for concurrent use.
type Attacher struct {
	log       func(string)
	ringLines uint32
}

// New returns an Attacher.
func New(o Options) *Attacher {
	if o.Log == nil {
		o.Log = func(string) {}
	}
	return &Attacher{log: o.Log, ringLines: o.RingLines}
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
		"struct_ops": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return a.newStructOps(v)
		},
		"tcp-cc": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return newKernelCC(v, at)
		},
		"ipvs": func(ctx context.Context, v harness.Variant, at harness.Site) (harness.Extension, error) {
			return nil, harness.Skip("IPVS comes with guests")
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

// Methods lists what Variant.Attach may name, sorted.
func Methods() []string {
	return slices.Sorted(maps.Keys(New(Options{}).methods()))
}
