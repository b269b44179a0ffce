// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"sigs.k8s.io/knftables"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// An nfTables is the nftables variant in force.
type nfTables struct {
	baseBalancer
	nft        tool
	addresses  map[ipFamily]map[netip.Addr]int // number of services at each virtual address, for each table made
	dirty      map[ipFamily]bool               // a change failed: the rules are not known
	generation uint32                          // of the namespace's rules after the last change made here
	batch      int                             // services in one transaction of a full sync
}

// The setting that has a full sync write all services in one transaction, as kube-proxy does.
const (
	nftTransaction = "transaction"
	nftWhole       = "whole"
)

// newNFTables puts nftables in force, without services yet.
func newNFTables(v harness.Variant, at harness.Site) (_ service.Balancer, err error) {
	n := &nfTables{addresses: map[ipFamily]map[netip.Addr]int{}, dirty: map[ipFamily]bool{}, batch: nftBatch}
	for _, s := range v.Settings {
		if s.Name != nftTransaction || s.Value != nftWhole {
			return nil, fmt.Errorf("setting %s=%s: nftables has %s=%s alone", s.Name, s.Value, nftTransaction, nftWhole)
		}
		n.batch = math.MaxInt
	}
	if n.nft, err = findTool("nft", "nftables"); err != nil {
		return nil, err
	}
	if n.kernel, err = newKernel(at); err != nil {
		return nil, err
	}
	// The check uses every expression and changes nothing.
	probe := service.Service{VIP: at4("192.0.2.1", 80), Proto: harness.TCP, Backends: []service.Backend{
		{Addr: at4("192.0.2.2", 8080), Weight: 1}, {Addr: at4("192.0.2.3", 8080), Weight: 2}}}
	if err := n.run(context.Background(), []string{"--check"}, nftablesTable(ipv4),
		nftablesChange(ipv4, []nftChange{{nil, &probe}}, false, map[netip.Addr]int{})); err != nil {
		return nil, errors.Join(missing("an expression of kube-proxy's nftables rules", err), n.kernel.close())
	}
	return n, nil
}

// Sync writes every service, nftBatch of them in a transaction or all, and removes the services that are no longer wanted.
func (n *nfTables) Sync(ctx context.Context, services []service.Service) error {
	old, err := n.set(services)
	if err != nil {
		return err
	}
	for _, f := range [...]ipFamily{ipv4, ipv6} {
		if err := n.sync(ctx, f, ofFamily(old, f), ofFamily(services, f)); err != nil {
			return fmt.Errorf("sync nftables: %w", err)
		}
	}
	return n.forgetStale(old, services)
}

func (n *nfTables) sync(ctx context.Context, f ipFamily, old, services []service.Service) (err error) {
	if len(old) == 0 && len(services) == 0 {
		return nil
	}
	if n.dirty[f] {
		old = nil // the rules are not known: make a new table
	}
	n.dirty[f] = true // until the last commit: if one fails, the next sync makes a new table
	if len(old) == 0 {
		n.addresses[f] = map[netip.Addr]int{}
		if err := n.commit(ctx, nftablesTable(f)); err != nil {
			return err
		}
	}
	before := make(map[service.Key]*service.Service, len(old))
	for i := range old {
		before[old[i].Key()] = &old[i]
	}
	changes := make([]nftChange, 0, len(services))
	for i := range services {
		key := services[i].Key()
		changes = append(changes, nftChange{before[key], &services[i]})
		delete(before, key)
	}
	for i := range old {
		if s := before[old[i].Key()]; s != nil {
			changes = append(changes, nftChange{s, nil})
		}
	}
	for batch := range slices.Chunk(changes, n.batch) {
		if err := n.commit(ctx, nftablesChange(f, batch, true, n.addresses[f])); err != nil {
			return err
		}
	}
	n.dirty[f] = false
	return nil
}

// Update writes the changes of one service.
func (n *nfTables) Update(ctx context.Context, s service.Service) error {
	old, err := n.replace(s)
	if err != nil {
		return err
	}
	f := familyOf(s.VIP.Addr())
	if err := n.commit(ctx, nftablesChange(f, []nftChange{{&old, &s}}, false, n.addresses[f])); err != nil {
		n.dirty[f] = true
		return fmt.Errorf("update nftables: %w", err)
	}
	return n.forgetStale([]service.Service{old}, []service.Service{s})
}

// run runs nft with the transactions as one. knftables could not run it in the namespace, nor kill it if this process
// dies; tool.run does both.
func (n *nfTables) run(ctx context.Context, args []string, txs ...*knftables.Transaction) error {
	var input []byte
	for _, tx := range txs {
		text, err := nftText(tx)
		if err != nil {
			return err
		}
		input = append(input, text...)
	}
	_, err := n.nft.run(ctx, n.at.NS, input, append(args, "-f", "-")...)
	return err
}

func (n *nfTables) commit(ctx context.Context, tx *knftables.Transaction) error {
	if err := n.run(ctx, nil, tx); err != nil {
		return err
	}
	return sys.InNS(n.at.NS, func() (err error) { n.generation, err = nftGeneration(); return err })
}

// InForce returns an error if a rule of the namespace has changed since the last change made here, or nothing is
// forwarded.
func (n *nfTables) InForce() error {
	if len(n.addresses) > 0 {
		var now uint32
		if err := sys.InNS(n.at.NS, func() (err error) { now, err = nftGeneration(); return err }); err != nil {
			return fmt.Errorf("check nftables: %w", err)
		}
		if now != n.generation {
			return errors.New("check nftables: another process changed the rules")
		}
	}
	return n.forwards()
}

// Peculiarities: kube-proxy's nftables mode has no rule that drops packets that conntrack marks as invalid.
func (n *nfTables) Peculiarities() service.Peculiarities {
	return service.Peculiarities{LeaksInvalid: true}
}

// Close removes the tables and forgets all connections.
func (n *nfTables) Close() error {
	if n.handle == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	var errs []error
	for f := range n.addresses {
		tx := newNFTTransaction(f)
		tx.Add(&knftables.Table{}) // deleting a table that another process deleted would fail
		tx.Delete(&knftables.Table{})
		errs = append(errs, n.run(ctx, nil, tx))
	}
	errs = append(errs, n.flushConntrack(), n.kernel.close())
	n.handle = nil
	return errors.Join(errs...)
}
