// SPDX-License-Identifier: GPL-2.0
/*
 * xdp-ipip: a layer 4 load balancer in the manner of Katran, on XDP.
 *
 * Policy. A packet for a service (address, port, protocol) is hashed by its flow. If the flow table knows the flow, it
 * goes where it went before; else the service's Maglev ring says where, and the table remembers. The packet is put
 * into an outer IP packet to that real and sent back out of the link it came by. The real takes the outer header off
 * and answers the client directly, so the balancer sees one direction only. ICMP errors about packets that a real
 * sent are brought to that real. A packet too long for the tunnel is answered with ICMP. What is for no service, ICMP
 * echo included, is left to the kernel.
 *
 * Good for: high packet rates at little CPU, many balancers side by side (the ring is the same on all), SYN floods.
 *
 * Known weakness: reals must be able to decapsulate and must own the service's address. Fragments are dropped. Answers
 * to packets too long are not rate limited. While the flood guard holds, a SYN leaves an older entry of the same flow
 * in place, so the rest of a connection on a reused port may go to the older real. The flow table loses flows before it
 * is full (flow.bpf.h has the figures).
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
 *  8. An entry of a removed real is noticed by a flag at the real, not by the real's index having been reused.
 *  9. ICMP errors for all types that quote a packet are brought to the real, not a selection; echo goes to the kernel.
 * 10. Answers to packets too long quote 128 bytes of them.
 * 11. No QUIC connection ids, no GUE, no per-service flags, no local delivery.
 */
#include "hook_xdp.bpf.h"
#include "forward.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
int xdp_ipip(struct xdp_md *ctx)
{
	return forward(ctx, track_all, FORWARD_TUNNEL);
}
