// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// An ipTables is the iptables variant in force, in one of its two forms: legacy, which exchanges whole tables with the
// kernel, or nft, which speaks to nftables in iptables' words.
type ipTables struct {
	baseBalancer
	legacy   bool
	families []*ipTablesFamily
}

// An ipTablesFamily is one IP family of an ipTables: iptables or ip6tables.
type ipTablesFamily struct {
	ip      ipFamily
	restore tool
	list    tool
	used    bool // tables were made
	dirty   bool // a change failed: what is there is not known
	chains  map[string]bool
	mark    []byte // what the tables looked like after our last change
}

// newIPTables puts iptables in force, without services yet. form is "legacy" or "nft".
func newIPTables(v harness.Variant, at harness.Site, form string) (_ service.Balancer, err error) {
	t := &ipTables{legacy: form == "legacy"}
	for _, f := range [...]struct {
		ip   ipFamily
		name string
	}{{ipv4, "iptables-" + form}, {ipv6, "ip6tables-" + form}} {
		restore, err := findTool(f.name+"-restore", "iptables")
		if err != nil {
			return nil, err
		}
		list, err := findTool(f.name, "iptables")
		if err != nil {
			return nil, err
		}
		t.families = append(t.families, &ipTablesFamily{ip: f.ip, restore: restore, list: list, chains: map[string]bool{}})
	}
	if t.kernel, err = newKernel(at); err != nil {
		return nil, err
	}
	// Tries every match and target, and leaves an empty set.
	probe := []service.Service{{Proto: harness.TCP}}
	probe[0].VIP = at4("192.0.2.1", 80)
	probe[0].Backends = []service.Backend{{Addr: at4("192.0.2.2", 8080), Weight: 1}, {Addr: at4("192.0.2.3", 8080), Weight: 1}}
	if _, err := t.families[0].restore.run(context.Background(), at.NS, iptablesSync(probe, nil, false), "--test", "--noflush"); err != nil {
		return nil, errors.Join(missing("what iptables rules of kube-proxy need", err), t.kernel.close())
	}
	return t, nil
}

// Sync writes all chains in one call of iptables-restore for each IP family, as kube-proxy does in a full sync.
func (t *ipTables) Sync(ctx context.Context, services []service.Service) error {
	old, err := t.set(services)
	if err != nil {
		return err
	}
	for _, f := range t.families {
		if err := f.sync(ctx, t, ofFamily(services, f.ip)); err != nil {
			return fmt.Errorf("sync %s: %w", f.list.name, err)
		}
	}
	return t.forgetStale(old, services)
}

func (f *ipTablesFamily) sync(ctx context.Context, t *ipTables, services []service.Service) error {
	if len(services) == 0 && !f.used {
		return nil
	}
	chains := make(map[string]bool, 5*len(services))
	for i := range services {
		for _, c := range svcChains(&services[i]) {
			chains[c] = true
		}
	}
	var gone []string
	for c := range f.chains {
		if !chains[c] {
			gone = append(gone, c)
		}
	}
	f.used = true
	whole := !t.legacy || f.dirty
	if err := f.commit(ctx, t, iptablesSync(services, gone, whole), whole); err != nil {
		return err
	}
	f.chains = chains
	return nil
}

// commit hands the input to the tool and remembers what the tables look like then.
func (f *ipTablesFamily) commit(ctx context.Context, t *ipTables, input []byte, whole bool) error {
	var args []string
	if !whole {
		args = append(args, "--noflush")
	}
	if t.legacy { // wait for whoever else changes legacy tables, in whichever namespace
		args = append(args, "-w")
	}
	f.dirty = true
	if _, err := f.restore.run(ctx, t.at.NS, input, args...); err != nil {
		return err
	}
	f.dirty = false
	mark, err := t.look(f)
	if err != nil {
		return err
	}
	f.mark = mark
	return nil
}

// Update writes the chains of one service, as kube-proxy does when few services changed. In the legacy form the tool
// still reads and writes the whole table behind the scenes.
func (t *ipTables) Update(ctx context.Context, s service.Service) error {
	old, err := t.replace(s)
	if err != nil {
		return err
	}
	for _, f := range t.families {
		if f.ip != familyOf(s.VIP.Addr()) {
			continue
		}
		if err := f.commit(ctx, t, iptablesUpdate(&old, &s), false); err != nil {
			return fmt.Errorf("update %s: %w", f.list.name, err)
		}
		for _, c := range svcChains(&old) {
			delete(f.chains, c)
		}
		for _, c := range svcChains(&s) {
			f.chains[c] = true
		}
	}
	return t.forgetStale([]service.Service{old}, []service.Service{s})
}

// look returns what tells one state of the tables from another, at a cost that does not grow with them. For legacy it
// is the number of rules, the size and the entry points of the table nat; for nft the generation of the rules, which
// every change in the namespace counts up.
func (t *ipTables) look(f *ipTablesFamily) (mark []byte, err error) {
	err = sys.InNS(t.at.NS, func() error {
		if t.legacy {
			mark, err = legacyTableInfo(f.ip, "nat")
			return err
		}
		gen, err := nftGeneration()
		mark = strconv.AppendUint(nil, uint64(gen), 10)
		return err
	})
	return mark, err
}

// InForce returns an error if the tables are no longer as they were left, or nothing is forwarded.
func (t *ipTables) InForce() error {
	last := map[bool][]byte{} // with nft both families share one generation: that of the later change counts
	for _, f := range t.families {
		if !f.used {
			continue
		}
		now, err := t.look(f)
		if err != nil {
			return fmt.Errorf("check %s: %w", f.list.name, err)
		}
		if !t.legacy {
			last[true] = now
			continue
		}
		if !bytes.Equal(now, f.mark) {
			return fmt.Errorf("check %s: the table nat was changed by someone else", f.list.name)
		}
	}
	if now, ok := last[true]; ok && !t.newest(now) {
		return errors.New("check iptables-nft: the rules were changed by someone else")
	}
	return t.forwards()
}

// newest says whether the generation is that after the last change of one of the families.
func (t *ipTables) newest(gen []byte) bool {
	for _, f := range t.families {
		if f.used && bytes.Equal(f.mark, gen) {
			return true
		}
	}
	return false
}

// Close removes all rules and chains and forgets all connections. Legacy tables once made stay in the namespace, empty.
func (t *ipTables) Close() error {
	if t.handle == nil {
		return nil
	}
	var errs []error
	for _, f := range t.families {
		if f.used {
			errs = append(errs, f.clear(t))
			f.used = false
		}
	}
	errs = append(errs, t.flushConntrack(), t.kernel.close())
	t.handle = nil
	return errors.Join(errs...)
}

// clear empties the tables. It does not hear of the run's end: that is when it is needed.
func (f *ipTablesFamily) clear(t *ipTables) error {
	const empty = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" +
		"COMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	if !t.legacy {
		name := "ip"
		if f.ip == ipv6 {
			name = "ip6"
		}
		if nft, err := findTool("nft", "nftables"); err == nil { // takes the hooks away as well
			if _, err := nft.run(ctx, t.at.NS, fmt.Appendf(nil, "delete table %[1]s nat\ndelete table %[1]s filter\n", name),
				"-f", "-"); err == nil {
				return nil
			}
		}
		_, err := f.restore.run(ctx, t.at.NS, []byte(empty))
		return err
	}
	_, err := f.restore.run(ctx, t.at.NS, []byte(empty), "-w")
	return err
}
