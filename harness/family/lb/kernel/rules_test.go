// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/knftables"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

var updateRules = flag.Bool("update-rules", false, "write the golden files of rules")

func TestRulesText(t *testing.T) {
	tcp, udp := ruledService(ipv4, harness.TCP, 0, 1, 1, 1), ruledService(ipv4, harness.UDP, 0, 3, 0, 1)
	tcp6, none6 := ruledService(ipv6, harness.TCP, 1, 1, 2), ruledService(ipv6, harness.TCP, 2)
	changed := ruledService(ipv4, harness.TCP, 0, 1, -1, 1)
	refused := ruledService(ipv4, harness.TCP, 0)
	count := func(s ...service.Service) map[netip.Addr]int {
		n := map[netip.Addr]int{}
		for i := range s {
			n[s[i].VIP.Addr()]++
		}
		return n
	}
	text := func(tx *knftables.Transaction) []byte {
		text, err := nftText(tx)
		if err != nil {
			t.Error(err)
		}
		return text
	}
	for _, tt := range []struct {
		file string
		got  []byte
	}{
		{"iptables-sync4", iptablesSync([]service.Service{tcp, udp}, []string{"KUBE-SEP-GONE"}, false)},
		{"iptables-whole4", iptablesSync([]service.Service{tcp, udp}, []string{"KUBE-SEP-GONE"}, true)},
		{"iptables-sync6", iptablesSync([]service.Service{tcp6, none6}, nil, false)},
		{"iptables-update", iptablesUpdate(&tcp, &changed)},
		{"iptables-lost-all", iptablesUpdate(&tcp, &refused)},
		{"iptables-got-some", iptablesUpdate(&refused, &tcp)},
		{"nftables-table4", text(nftablesTable(ipv4))},
		{"nftables-table6", text(nftablesTable(ipv6))},
		{"nftables-sync4", text(nftablesChange(ipv4, []nftChange{{nil, &tcp}, {nil, &udp}}, true, count()))},
		{"nftables-sync6", text(nftablesChange(ipv6, []nftChange{{nil, &tcp6}, {nil, &none6}}, true, count()))},
		{"nftables-resync4", text(nftablesChange(ipv4, []nftChange{{&tcp, &changed}, {&udp, nil}}, true, count(tcp, udp)))},
		{"nftables-update", text(nftablesChange(ipv4, []nftChange{{&tcp, &changed}}, false, count(tcp, udp)))},
		{"nftables-lost-all", text(nftablesChange(ipv4, []nftChange{{&tcp, &refused}}, false, count(tcp, udp)))},
		{"nftables-got-some", text(nftablesChange(ipv4, []nftChange{{&refused, &tcp}}, false, count(tcp, udp)))},
		{"nftables-gone", text(nftablesChange(ipv4, []nftChange{{&tcp, nil}, {&udp, nil}}, true, count(tcp, udp)))},
	} {
		t.Run(tt.file, func(t *testing.T) {
			path := filepath.Join("testdata", "rules", tt.file+".golden")
			if *updateRules {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, tt.got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(tt.got)); diff != "" {
				t.Errorf("(-want +got, -update-rules writes anew)\n%s", diff)
			}
		})
	}
}

func TestForwardRoute(t *testing.T) {
	far := ruledService(ipv4, harness.TCP, 29999, -1, 1)
	for _, tt := range []struct {
		name     string
		services []service.Service
		to, via  string
	}{
		{"one", []service.Service{ruledService(ipv4, harness.TCP, 5, 1)}, "198.19.128.5/32", "198.18.1.1"},
		{"neighbours", []service.Service{ruledService(ipv4, harness.TCP, 4, 1), ruledService(ipv4, harness.UDP, 5, -1, 1)},
			"198.19.128.4/31", "198.18.1.1"},
		{"first without backends", []service.Service{ruledService(ipv4, harness.TCP, 0), far}, "198.19.128.0/17", "198.18.1.2"},
		{"first drained", []service.Service{ruledService(ipv4, harness.TCP, 0, 0, 1)}, "198.19.128.0/32", "198.18.1.2"},
		{"IPv6", []service.Service{ruledService(ipv6, harness.TCP, 0, 1), ruledService(ipv6, harness.TCP, 255, 1)},
			"2001:2:0:2::/120", "2001:2::101"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to, via, ok := forwardRoute(tt.services)
			if !ok || to.String() != tt.to || via.String() != tt.via {
				t.Errorf("got %s via %s (%v), want %s via %s", to, via, ok, tt.to, tt.via)
			}
		})
	}
	if _, _, ok := forwardRoute([]service.Service{ruledService(ipv4, harness.TCP, 0)}); ok {
		t.Error("a route to nobody")
	}
}

func TestStaleUDP(t *testing.T) {
	udp := func(i int, weights ...int) service.Service { return ruledService(ipv4, harness.UDP, i, weights...) }
	for _, tt := range []struct {
		name     string
		old, now []service.Service
		stale    bool
	}{
		{"same", []service.Service{udp(0, 1, 1)}, []service.Service{udp(0, 1, 1)}, false},
		{"drained", []service.Service{udp(0, 1, 1)}, []service.Service{udp(0, 1, 0)}, false},
		{"backend went", []service.Service{udp(0, 1, 1)}, []service.Service{udp(0, 1)}, true},
		{"backend came", []service.Service{udp(0, 1)}, []service.Service{udp(0, 1, 1)}, false},
		{"first backend came", []service.Service{udp(0)}, []service.Service{udp(0, 1)}, true},
		{"service went", []service.Service{udp(0, 1)}, nil, true},
		{"TCP", []service.Service{ruledService(ipv4, harness.TCP, 0, 1)}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := len(staleUDP(tt.old, tt.now)) > 0; got != tt.stale {
				t.Errorf("stale is %v, want %v", got, tt.stale)
			}
		})
	}
}

func TestCountersText(t *testing.T) {
	got := map[string]uint64{}
	for _, err := range []error{
		readConntrackStat("entries  invalid insert_failed drop\n00000010 00000001 00000002 0000000a\n00000010 00000001 00000000 00000001\n", got),
		readSNMP("Ip: Forwarding InHdrErrors InDiscards\nIp: 1 3 4\nUdp: InErrors\nUdp: 9\n", got),
		readSNMP6("Ip6InDiscards                   \t5\nIp6InReceives 7\n", got),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := map[string]uint64{"conntrack_entries": 16, "conntrack_invalid": 2, "drop_conntrack_insert": 2,
		"drop_conntrack_full": 11, "drop_ip_header": 3, "drop_ip_in": 4, "drop_ip6_in": 5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMissingToolSkips(t *testing.T) {
	if _, err := findTool("no-such-tool", "its-package"); !errors.Is(err, harness.ErrNotSupported) ||
		!strings.Contains(err.Error(), "apt-get install its-package") {
		t.Errorf("a tool that is missing: %v, want a skip that says how to get it", err)
	}
}

// TestMissingNamespace: every method says so, and undoes what it did before.
func TestMissingNamespace(t *testing.T) {
	for _, method := range []string{"iptables", "iptables-nft", "nftables", "forward"} {
		_, err := Methods().Put(t.Context(), harness.Variant{Name: method, Attach: method}, harness.Site{NS: "/nowhere"})
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s in no namespace: %v", method, err)
		}
	}
}
