// SPDX-License-Identifier: GPL-2.0
/*
 * xdp-ipip: a layer 4 load balancer in the manner of Katran, on XDP.
 *
 * Policy. A packet for a service (address, port, protocol) is hashed by its flow. If the flow table knows the flow, it
 * keeps its real; otherwise the service's Maglev ring gives the real, and the table stores it. The packet is put into an
 * outer IP packet to that real and sent back on the link on which it arrived. The real removes the outer header and
 * answers the client directly, so the balancer sees one direction only. ICMP errors about packets that a real sent go to
 * that real. A packet too long for the tunnel is answered with ICMP, if it may not be fragmented. Packets for no service,
 * ICMP echo included, and frames for other stations are left to the kernel. An entry is valid while the service exists
 * and the real is its backend (member.bpf.h).
 *
 * Good for: high packet rates at little CPU, many balancers side by side (the ring is the same on all), SYN floods.
 *
 * Known weakness: reals must be able to decapsulate and must own the service's address. First fragments, IP options and
 * extension headers are dropped; later fragments show no ports and are left to the kernel, which comes to the same.
 * Answers to packets too long are not rate limited. While the flood guard holds, a SYN leaves an older entry of the same
 * flow in place, so the rest of a connection on a reused port may go to the older real. The flow table loses flows before
 * it is full (flow.bpf.h has the figures).
 *
 * Deviations from Katran:
 *  1. The flow table is an array of cache lines with 8 entries each (flow.bpf.h), not an LRU hash map for every CPU:
 *     one cache miss for a lookup, none more for an insertion. It stores 40 bits of the flow's hash, not the flow.
 *  2. The table can be shared by all CPUs (flow_shared).
 *  3. One array holds the lines of all CPUs; no map in a map.
 *  4. The hash is 64 bits of multiplications, seeded; Katran's is jhash. The ring is indexed by a scaled multiplication.
 *  5. The outer IPv4 source is this host's address for all flows; Katran varies it so that NICs spread flows over queues.
 *     There is one queue here. With an IPv6 tunnel the flow label varies.
 *  6. The outer header copies type of service and ECN. Its length comes from the inner header, not from the frame, so
 *     padding is not counted as payload.
 *  7. The next hop is the real itself: reals are on the same segment, and their MAC addresses are known.
 *  8. An entry of a removed real is noticed by a flag at the real or, if another service keeps the real, by the map
 *     removed, not by the real's index having been reused. Katran keeps such flows; here TCP and UDP are balanced anew.
 *  9. ICMP errors of all types that quote a packet go to the real, not a selection; echo goes to the kernel.
 * 10. Answers to packets too long quote 128 bytes of them.
 * 11. No QUIC connection ids, no GUE, no per-service flags, no local delivery.
 * 12. An IPv4 packet that may be fragmented and is too long for the tunnel is dropped and counted (drop_toolong): a
 *     program cannot make two packets of one. Katran answers it with ICMP as any other; a router would fragment it.
 */
#include "hook_xdp.bpf.h"
#include "forward.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
int xdp_ipip(struct xdp_md *ctx)
{
	return forward(ctx, track_all, FORWARD_TUNNEL);
}
