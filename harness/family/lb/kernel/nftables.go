// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// An nfTables is the nftables variant in force.
type nfTables struct {
	baseBalancer
	nft        tool
	addresses  map[ipFamily]map[netip.Addr]int // services at each virtual address; one for each table made
	dirty      map[ipFamily]bool               // a change failed half-way
	generation uint32                          // of the namespace's rules after our last change
}

// newNFTables puts nftables in force, without services yet.
func newNFTables(v harness.Variant, at harness.Site) (_ service.Balancer, err error) {
	n := &nfTables{addresses: map[ipFamily]map[netip.Addr]int{}, dirty: map[ipFamily]bool{}}
	if n.nft, err = findTool("nft", "nftables"); err != nil {
		return nil, err
	}
	if n.kernel, err = newKernel(at); err != nil {
		return nil, err
	}
	// Tries every expression and leaves nothing.
	probe := service.Service{VIP: at4("192.0.2.1", 80), Proto: harness.TCP, Backends: []service.Backend{
		{Addr: at4("192.0.2.2", 8080), Weight: 1}, {Addr: at4("192.0.2.3", 8080), Weight: 2}}}
	input := append(nftablesTable(ipv4), nftablesChange(ipv4, []nftChange{{nil, &probe}}, false, map[netip.Addr]int{})...)
	if _, err := n.nft.run(context.Background(), at.NS, input, "--check", "-f", "-"); err != nil {
		return nil, errors.Join(missing("what nftables rules of kube-proxy need", err), n.kernel.close())
	}
	return n, nil
}

// Sync writes every service anew, nftBatch of them in a transaction, and removes those that are no longer wanted.
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
		old = nil // what is there is not known: begin with a new table
	}
	if len(old) == 0 {
		n.addresses[f] = map[netip.Addr]int{}
		if err := n.commit(ctx, nftablesTable(f)); err != nil {
			return err
		}
	}
	n.dirty[f] = true
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
	for batch := range slices.Chunk(changes, nftBatch) {
		if err := n.commit(ctx, nftablesChange(f, batch, true, n.addresses[f])); err != nil {
			return err
		}
	}
	n.dirty[f] = false
	return nil
}

// Update writes what changes of one service.
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

func (n *nfTables) commit(ctx context.Context, input []byte) error {
	if _, err := n.nft.run(ctx, n.at.NS, input, "-f", "-"); err != nil {
		return err
	}
	return sys.InNS(n.at.NS, func() (err error) { n.generation, err = nftGeneration(); return err })
}

// InForce returns an error if any rule of the namespace was changed since our last change, or nothing is forwarded.
func (n *nfTables) InForce() error {
	if len(n.addresses) > 0 {
		var now uint32
		if err := sys.InNS(n.at.NS, func() (err error) { now, err = nftGeneration(); return err }); err != nil {
			return fmt.Errorf("check nftables: %w", err)
		}
		if now != n.generation {
			return errors.New("check nftables: the rules were changed by someone else")
		}
	}
	return n.forwards()
}

// Peculiarities tells what kube-proxy's nftables mode leaves to the administrator: it has no rule that drops packets
// which connection tracking finds invalid.
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
		_, err := n.nft.run(ctx, n.at.NS, fmt.Appendf(nil, "add table %[1]s\ndelete table %[1]s\n", nftFamily(f).table), "-f", "-")
		errs = append(errs, err)
	}
	errs = append(errs, n.flushConntrack(), n.kernel.close())
	n.handle = nil
	return errors.Join(errs...)
}
