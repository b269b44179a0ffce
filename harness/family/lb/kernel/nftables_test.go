// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// TestNFTTransactions: a full sync takes a transaction for the table and one for each nftBatch services, or one for all with
// transaction=whole. The kernel's generation counts them.
func TestNFTTransactions(t *testing.T) {
	all := ruledServices(ipv4, nftBatch+1, 1)
	for value, want := range map[string]uint32{"": 3, nftWhole: 2} {
		p := newSegmentLab(t, 0)
		v := harness.Variant{Name: "test", Attach: "nftables"}
		if value != "" {
			v.Settings = []harness.Setting{{Name: nftTransaction, Value: value}}
		}
		b, err := Methods().Put(t.Context(), v, p.at)
		if errors.Is(err, harness.ErrNotSupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		n := b.(*nfTables)
		if err := b.Sync(t.Context(), all[:1]); err != nil {
			t.Fatal(err)
		}
		if err := b.Sync(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		before := n.generation
		if err := b.Sync(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		if got := n.generation - before; got != want {
			t.Errorf("transaction=%s: %d transactions, want %d", value, got, want)
		}
		if err := b.InForce(); err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	p := newSegmentLab(t, 0)
	for _, s := range []harness.Setting{{Name: "colour", Value: nftWhole}, {Name: nftTransaction, Value: "half"}} {
		if _, err := Methods().Put(t.Context(), harness.Variant{Name: "test", Attach: "nftables", Settings: []harness.Setting{s}}, p.at); err == nil ||
			errors.Is(err, harness.ErrNotSupported) {
			t.Errorf("setting %v: %v", s, err)
		}
	}
}
