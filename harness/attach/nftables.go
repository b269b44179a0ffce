// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"errors"
	"fmt"

	"github.com/kxlab/kxlab/harness"
)

// An nfTables is the nftables variant in force.
type nfTables struct {
	baseBalancer
	nft        tool
	used       map[ipFamily]bool // a table was made
	generation uint32            // of the namespace's rules after our last change
}

// newNFTables puts nftables in force, without services yet.
func newNFTables(v harness.Variant, at harness.Site) (_ harness.Balancer, err error) {
	n := &nfTables{used: map[ipFamily]bool{}}
	if n.nft, err = findTool("nft", "nftables"); err != nil {
		return nil, err
	}
	if n.kernel, err = newKernel(at); err != nil {
		return nil, err
	}
	// Tries every expression and leaves nothing.
	probe := []harness.Service{{VIP: at4("192.0.2.1", 80), Proto: harness.TCP, Backends: []harness.Backend{
		{Addr: at4("192.0.2.2", 8080), Weight: 1}, {Addr: at4("192.0.2.3", 8080), Weight: 2}}}}
	if _, err := n.nft.run(context.Background(), at.NS, nftablesSync(ipv4, probe), "--check", "-f", "-"); err != nil {
		return nil, errors.Join(missing("what nftables rules of kube-proxy need", err), n.kernel.close())
	}
	return n, nil
}

// Sync replaces the table of each IP family in one transaction.
func (n *nfTables) Sync(ctx context.Context, services []harness.Service) error {
	old, err := n.set(services)
	if err != nil {
		return err
	}
	for _, f := range [...]ipFamily{ipv4, ipv6} {
		mine := ofFamily(services, f)
		if len(mine) == 0 && !n.used[f] {
			continue
		}
		n.used[f] = true
		if err := n.commit(ctx, nftablesSync(f, mine)); err != nil {
			return fmt.Errorf("sync nftables: %w", err)
		}
	}
	return n.forgetStale(old, services)
}

// Update writes the chains of one service that change.
func (n *nfTables) Update(ctx context.Context, s harness.Service) error {
	old, err := n.replace(s)
	if err != nil {
		return err
	}
	if err := n.commit(ctx, nftablesUpdate(&old, &s)); err != nil {
		return fmt.Errorf("update nftables: %w", err)
	}
	return n.forgetStale([]harness.Service{old}, []harness.Service{s})
}

func (n *nfTables) commit(ctx context.Context, input []byte) error {
	if _, err := n.nft.run(ctx, n.at.NS, input, "-f", "-"); err != nil {
		return err
	}
	return inNS(n.at.NS, func() (err error) { n.generation, err = nftGeneration(); return err })
}

// InForce returns an error if any rule of the namespace was changed since our last change, or nothing is forwarded.
func (n *nfTables) InForce() error {
	if len(n.used) > 0 {
		var now uint32
		if err := inNS(n.at.NS, func() (err error) { now, err = nftGeneration(); return err }); err != nil {
			return fmt.Errorf("check nftables: %w", err)
		}
		if now != n.generation {
			return errors.New("check nftables: the rules were changed by someone else")
		}
	}
	return n.forwards()
}

// Close removes the tables and forgets all connections.
func (n *nfTables) Close() error {
	if n.handle == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	var errs []error
	for f := range n.used {
		_, err := n.nft.run(ctx, n.at.NS, fmt.Appendf(nil, "add table %[1]s\ndelete table %[1]s\n", nftFamily(f).table), "-f", "-")
		errs = append(errs, err)
	}
	errs = append(errs, n.flushConntrack(), n.kernel.close())
	n.handle = nil
	return errors.Join(errs...)
}
