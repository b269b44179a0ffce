// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// An ipTables is the iptables variant in force, in one of two forms: legacy, which exchanges whole tables with the kernel,
// or nft, which translates its rules to nftables.
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
	dirty   bool // a change failed: the rules are not known
	chains  map[string]bool
	state   []byte // of the tables after the last change, see tableState
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
	// The test uses every match and target and changes nothing.
	probe := []service.Service{{Proto: harness.TCP}}
	probe[0].VIP = at4("192.0.2.1", 80)
	probe[0].Backends = []service.Backend{{Addr: at4("192.0.2.2", 8080), Weight: 1}, {Addr: at4("192.0.2.3", 8080), Weight: 1}}
	if _, err := t.families[0].restore.run(context.Background(), at.NS, iptablesSync(probe, nil, false), "--test", "--noflush"); err != nil {
		return nil, errors.Join(missing("a match or target of kube-proxy's iptables rules", err), t.kernel.close())
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
	maps.DeleteFunc(f.chains, func(c string, _ bool) bool { return chains[c] })
	f.used = true
	whole := !t.legacy || f.dirty
	if err := f.commit(ctx, t, iptablesSync(services, slices.Collect(maps.Keys(f.chains)), whole), whole); err != nil {
		return err
	}
	f.chains = chains
	return nil
}

// commit runs the tool with the input and records the state of the tables afterwards.
func (f *ipTablesFamily) commit(ctx context.Context, t *ipTables, input []byte, whole bool) (err error) {
	var args []string
	if !whole {
		args = append(args, "--noflush")
	}
	if t.legacy { // wait for the lock of legacy tables, which all namespaces share
		args = append(args, "-w")
	}
	f.dirty = true
	if _, err := f.restore.run(ctx, t.at.NS, input, args...); err != nil {
		return err
	}
	f.dirty = false
	f.state, err = t.tableState(f)
	return err
}

// Update writes the chains of one service, as kube-proxy does when few services changed. In the legacy form the tool
// still reads and writes the whole table.
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

// tableState returns a value that changes with the tables, at a cost that does not grow with them. For legacy it is the
// number of rules, the size and the entry points of the table nat; for nft the generation of the rules, which every
// change in the namespace increments.
func (t *ipTables) tableState(f *ipTablesFamily) (state []byte, err error) {
	err = sys.InNS(t.at.NS, func() error {
		if t.legacy {
			state, err = legacyTableInfo(f.ip, "nat")
			return err
		}
		gen, err := nftGeneration()
		state = strconv.AppendUint(nil, uint64(gen), 10)
		return err
	})
	return state, err
}

// InForce returns an error if the tables have changed since the last change made here, or nothing is forwarded.
func (t *ipTables) InForce() error {
	changed := "" // with nft both families share one generation: that of the later change counts
	for _, f := range t.families {
		if !f.used {
			continue
		}
		now, err := t.tableState(f)
		if err != nil {
			return fmt.Errorf("check %s: %w", f.list.name, err)
		}
		if t.legacy && !bytes.Equal(now, f.state) || !t.legacy && !t.latest(now) {
			changed = f.list.name
		}
	}
	if changed != "" {
		return fmt.Errorf("check %s: another process changed the rules", changed)
	}
	return t.forwards()
}

// latest is true for the generation after the last change of one of the families.
func (t *ipTables) latest(generation []byte) bool {
	return slices.ContainsFunc(t.families, func(f *ipTablesFamily) bool { return f.used && bytes.Equal(f.state, generation) })
}

// Close removes all rules and chains and forgets all connections. Legacy tables stay in the namespace, empty.
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

// clear empties the tables. It has its own time limit, because it also runs after the run's context has ended.
func (f *ipTablesFamily) clear(t *ipTables) error {
	const empty = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" +
		"COMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	var args []string
	if t.legacy {
		args = append(args, "-w")
	} else if nft, err := findTool("nft", "nftables"); err == nil { // removes the hooks as well
		input := fmt.Appendf(nil, "delete table %[1]s nat\ndelete table %[1]s filter\n", nftFamily(f.ip).family)
		if _, err := nft.run(ctx, t.at.NS, input, "-f", "-"); err == nil {
			return nil
		}
	}
	_, err := f.restore.run(ctx, t.at.NS, []byte(empty), args...)
	return err
}
