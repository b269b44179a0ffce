// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A setting is one sysctl below /proc/sys/net; optional ones may be missing from the kernel. A * in the path stands for all
// and then default.
type setting struct {
	path, value string
	optional    bool
}

// common holds for every namespace of a segment, before it gets any link but lo.
var common = []setting{
	{path: "ipv4/conf/*/rp_filter", value: "0"},
	{path: "ipv4/conf/*/send_redirects", value: "0"},
	{path: "ipv4/conf/*/accept_redirects", value: "0"},
	{path: "ipv4/conf/*/shared_media", value: "0"},
	{path: "ipv6/conf/*/accept_dad", value: "0"},
	{path: "ipv6/conf/default/dad_transmits", value: "0"},
	{path: "ipv6/conf/*/accept_ra", value: "0"},
	{path: "ipv6/conf/default/autoconf", value: "0"},
	{path: "ipv6/conf/default/router_solicitations", value: "0"},
	{path: "ipv6/conf/default/addr_gen_mode", value: "1"},
	{path: "ipv6/conf/default/accept_redirects", value: "0"},
	{path: "ipv6/conf/default/mldv2_unsolicited_report_interval", value: "0", optional: true},
	// Variants are checked for ICMP errors: the kernel must limit none.
	{path: "ipv4/icmp_ratelimit", value: "0"},
	{path: "ipv6/icmp/ratelimit", value: "0"},
	// Cached metrics of one trial would change the next.
	{path: "ipv4/tcp_no_metrics_save", value: "1"},
}

// ends holds for clients and reals: sockets use addresses that no link has, and congestion control does not depend on the
// machine's default.
var ends = []setting{
	{path: "ipv4/ip_nonlocal_bind", value: "1"},
	{path: "ipv6/ip_nonlocal_bind", value: "1"},
	{path: "ipv4/ip_local_port_range", value: "1024 65535"},
	{path: "ipv4/tcp_congestion_control", value: "cubic", optional: true},
	{path: "ipv4/tcp_max_tw_buckets", value: "1048576"},
	{path: "ipv4/tcp_syncookies", value: "0", optional: true},
	{path: "ipv4/tcp_max_syn_backlog", value: "16384"},
	{path: "core/somaxconn", value: "16384"},
}

// routers holds for balancers. all.send_redirects is off already; the link's own flag counts as well.
var routers = []setting{
	{path: "ipv4/ip_forward", value: "1"},
	{path: "ipv6/conf/*/forwarding", value: "1"},
}

// fabrics holds for the namespace of the bridge: bridged packets bypass netfilter, and namespaces made in it get TCP tables of
// their own, so that sockets in TIME_WAIT slow neither the next run nor the machine.
var fabrics = []setting{
	{path: "bridge/bridge-nf-call-iptables", value: "0", optional: true},
	{path: "bridge/bridge-nf-call-ip6tables", value: "0", optional: true},
	{path: "bridge/bridge-nf-call-arptables", value: "0", optional: true},
	{path: "ipv4/tcp_child_ehash_entries", value: "262144", optional: true},
	{path: "ipv6/conf/*/disable_ipv6", value: "1"},
}

// small applies to the fabric after the client's namespace, which has the sockets in TIME_WAIT, exists.
var small = []setting{{path: "ipv4/tcp_child_ehash_entries", value: "16384", optional: true}}

// apply writes settings in the namespace of the calling thread.
func apply(lists ...[]setting) error {
	for _, s := range slices.Concat(lists...) {
		for _, scope := range []string{"all", "default"}[:1+strings.Count(s.path, "*")] {
			path := strings.ReplaceAll(s.path, "*", scope)
			err := os.WriteFile("/proc/sys/net/"+path, []byte(s.value), 0)
			if err == nil || s.optional {
				continue
			}
			if errors.Is(err, os.ErrNotExist) {
				err = harness.Skip("the kernel has no such setting")
			}
			return fmt.Errorf("set net.%s: %w", strings.ReplaceAll(path, "/", "."), err)
		}
	}
	return nil
}
