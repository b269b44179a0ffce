// SPDX-License-Identifier: GPL-2.0
/*
 * xdp-nat: destination NAT in XDP, the service of kube-proxy.
 *
 * Policy: a packet for a service is rewritten to the address and port of a real and sent there; the real's answers, which
 * return through this host, are rewritten to the service's. The source is never rewritten. A hash of a new connection's
 * 5-tuple selects its real on the service's ring. After that the flow table determines the real, whatever changes in the
 * ring, until the connection ends (RST, FIN both ways, UDP idle), its real is down or taken out of the service, or the
 * service is deleted. The flow table is looked up before the services, so a packet of a known connection costs one
 * lookup, however many services exist. Packets are routed: the TTL is decremented, and the kernel's routing table gives
 * the next hop for every packet. ICMP errors about translated packets are translated both ways.
 *
 * Good for: one balancer that sees both directions, reals that know nothing of it, ports that differ.
 *
 * Known weakness:
 * - A first packet costs two insertions into an LRU hash, the most expensive operation here. There is no flood guard,
 *   because a connection without an entry gets no answers. A flood evicts idle connections.
 * - Fragments of a service's packets are dropped.
 * - A client that uses one source port for two services on the same real gets two different reals; if there is only one,
 *   the newer connection takes the translation of answers from the older.
 * - A packet too long for the next hop goes to the kernel translated; the error that the kernel sends then quotes the
 *   real's address, which the client does not know. All links of a segment have one MTU here.
 *
 * Deviations from kube-proxy (iptables DNAT and conntrack):
 * 1. The real is chosen by a hash of the 5-tuple, not by chance: a retry from the same port gets the same real.
 * 2. No source NAT, neither masquerading nor for hairpin connections: reals must route answers through this host.
 * 3. TCP is tracked by flags alone: no windows, no sequence numbers, no state-dependent timeouts. LRU
 *    evicts unused entries.
 * 4. A packet of a connection whose real is down or was taken out of the service is balanced anew, and nothing is
 *    translated for a service that was deleted. kube-proxy leaves TCP connections to removed endpoints alone and flushes
 *    only UDP ones. Answers of a real that was taken out are still translated.
 * 5. An unknown RST is passed to the real that the ring names and not entered; conntrack leaves it untranslated. An unknown
 *    FIN is balanced like any other packet.
 * 6. Checksums are not verified: a wrong one stays wrong by the same amount and the end host finds it. conntrack leaves
 *    such packets untranslated.
 * 7. A clash of two connections on one real is solved by another real (see above), not by another source port.
 * 8. IPv4 options and IPv6 extension headers of a service's packets are dropped and counted; kube-proxy translates them.
 * 9. A service without backends drops; kube-proxy rejects with an ICMP error.
 * 10. Of a packet with TTL 1 the kernel's error quotes the service's address only if the kernel has a route to it.
 *
 * Deviations from Cilium's XDP path:
 * 11. No source NAT, hence no port allocation; no session affinity, no service of any port, no local redirect.
 * 12. Table entries are symmetrical and made together at the first packet; each refreshes and restores the other once a
 *     second, where Cilium keeps lifetimes and evicts by a collector in user space.
 * 13. ICMP echo to a service's address is left to the kernel.
 */
#include "hook_xdp.bpf.h"
#include "nat.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
int xdp_nat(struct xdp_md *ctx)
{
	struct nat_pkt p = {
	    .ctx = ctx,
	    .data = (void *)(long)ctx->data,
	    .data_end = (void *)(long)ctx->data_end,
	    .ifindex = ctx->ingress_ifindex,
	};

	p.len = p.data_end - p.data;
	switch (nat_packet(&p)) {
	case NAT_SEND:
		return p.ifindex == cfg.ifindex ? XDP_TX : bpf_redirect(p.ifindex, 0);
	case NAT_DROP:
		return HOOK_DROP;
	default:
		return HOOK_PASS;
	}
}
