// SPDX-License-Identifier: GPL-2.0
/*
 * NAME: direct server return at XDP: a load balancer to start from.
 *
 * Policy. A packet for a service goes to a real server's MAC address, out of the link that it came in by; the real owns the
 * service's address and answers the client directly. The first packet of a flow chooses the real by a Maglev ring, and a flow
 * table remembers it.
 *
 * Good for: say here what it is better at.
 *
 * Known weakness: the reals must be on the balancer's own segment.
 *
 * The path of a packet is forward() of include/forward.bpf.h. track_all of include/track.bpf.h chooses the real: to choose otherwise,
 * write a function like it here and pass that. To change the path, copy forward() to here. FORWARD_TUNNEL in the place of FORWARD_MAC
 * makes an IPIP balancer, which is compared with xdp-ipip. The gate holds every packet against a slow reference.
 */
#include "hook_xdp.bpf.h"
#include "forward.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("xdp")
int own(struct xdp_md *ctx)
{
	return forward(ctx, track_all, FORWARD_MAC);
}
