// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// A setting is one sysctl below /proc/sys/net; optional ones may be missing from the kernel.
type setting struct {
	path, value string
	optional    bool
}

// common holds for every namespace of the lab, before it gets any link but lo.
var common = []setting{
	{path: "ipv4/conf/all/rp_filter", value: "0"},
	{path: "ipv4/conf/default/rp_filter", value: "0"},
	{path: "ipv4/conf/all/send_redirects", value: "0"},
	{path: "ipv4/conf/default/send_redirects", value: "0"},
	{path: "ipv4/conf/all/accept_redirects", value: "0"},
	{path: "ipv4/conf/default/accept_redirects", value: "0"},
	{path: "ipv4/conf/all/shared_media", value: "0"},
	{path: "ipv4/conf/default/shared_media", value: "0"},
	{path: "ipv6/conf/all/accept_dad", value: "0"},
	{path: "ipv6/conf/default/accept_dad", value: "0"},
	{path: "ipv6/conf/default/dad_transmits", value: "0"},
	{path: "ipv6/conf/all/accept_ra", value: "0"},
	{path: "ipv6/conf/default/accept_ra", value: "0"},
	{path: "ipv6/conf/default/autoconf", value: "0"},
	{path: "ipv6/conf/default/router_solicitations", value: "0"},
	{path: "ipv6/conf/default/addr_gen_mode", value: "1"},
	{path: "ipv6/conf/default/accept_redirects", value: "0"},
	{path: "ipv6/conf/default/mldv2_unsolicited_report_interval", value: "0", optional: true},
	// Errors are part of what variants are checked for: none may be withheld.
	{path: "ipv4/icmp_ratelimit", value: "0"},
	{path: "ipv6/icmp/ratelimit", value: "0"},
	// Metrics remembered from one trial would change the next.
	{path: "ipv4/tcp_no_metrics_save", value: "1"},
}

// ends holds for clients and reals: sockets use addresses that no link has, and no congestion control is left to
// whatever the machine's default may be.
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
	{path: "ipv6/conf/all/forwarding", value: "1"},
	{path: "ipv6/conf/default/forwarding", value: "1"},
}

// fabrics holds for the namespace of the bridge: bridged packets are nobody's business, and namespaces born in it get
// TCP tables of their own, so that what one run leaves in TIME_WAIT neither slows the next nor the machine.
var fabrics = []setting{
	{path: "bridge/bridge-nf-call-iptables", value: "0", optional: true},
	{path: "bridge/bridge-nf-call-ip6tables", value: "0", optional: true},
	{path: "bridge/bridge-nf-call-arptables", value: "0", optional: true},
	{path: "ipv4/tcp_child_ehash_entries", value: "262144", optional: true},
	{path: "ipv6/conf/all/disable_ipv6", value: "1"},
	{path: "ipv6/conf/default/disable_ipv6", value: "1"},
}

// small goes for the fabric once the client, where connections linger, is born.
var small = []setting{{path: "ipv4/tcp_child_ehash_entries", value: "16384", optional: true}}

// apply writes settings in the namespace of the calling thread.
func apply(lists ...[]setting) error {
	for _, list := range lists {
		for _, s := range list {
			err := os.WriteFile("/proc/sys/net/"+s.path, []byte(s.value), 0)
			if err == nil || s.optional {
				continue
			}
			name := strings.ReplaceAll(s.path, "/", ".")
			if errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("set net.%s: %w", name, unsupportedf("the kernel has no such setting"))
			}
			return fmt.Errorf("set net.%s: %w", name, err)
		}
	}
	return nil
}
