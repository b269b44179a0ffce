// SPDX-License-Identifier: GPL-2.0
/*
 * xdp-jet: the service of xdp-ipip with just-enough tracking.
 *
 * Policy. JET (Mendelson, Vargaftik, Barabash, Lorenz, Keslassy, Orda: "Load Balancing with JET: Just Enough Tracking
 * for Connection Consistency", CoNEXT 2020). The control plane announces the backends that may be added next (the
 * spares), so each flow that a spare would take over is known. Only such flows need a flow table entry; the ring gives
 * all others the same real before and after the change, as long as that real stays. The ring is looked up first; its slot
 * has two flags, computed by the control plane with rendezvous hashing over backends and spares. LB_SLOT_TRACK: new flows
 * are inserted. LB_SLOT_LOOK: tracked flows may exist, so the flow table is looked up before the ring is used.
 *
 * Good for: many flows, high rates of new flows, SYN floods: with n backends and s spares about s/(n+s) of the flows
 * cost a table line, the others a ring line only, however many they are.
 *
 * Known weakness: a backend that was not announced as a spare breaks flows when it is added, like a balancer without a
 * table does; of a removed backend the flows are lost in any case. A slot, not a flow, carries the flags: a tracked slot
 * tracks all its flows.
 *
 * Deviations from JET:
 *  1. Rendezvous hashing is done per ring slot by the control plane, not per packet.
 *  2. The flow table is xdp-ipip's and may forget; JET assumes one that does not.
 *  3. Slots that were tracked before a change keep LB_SLOT_LOOK until the control plane takes it away: flows outlive the
 *     change that they were tracked for.
 *  4. A SYN on a slot with either flag replaces or removes the entry of an older connection with the same ports.
 *  5. Draining, which JET does not treat: the drained backend keeps its slots for what began before, and a second ring
 *     says where connections go that begin now, which are tracked. Only a SYN tells the two apart: UDP flows that begin
 *     on a draining backend's slots still go to it until it is removed.
 *  6. NEW counts flows on flagged slots only, because other flows are not stored.
 * and from Katran those of xdp-ipip.
 */
#include "hook_xdp.bpf.h"
#include "forward.bpf.h"

char _license[] SEC("license") = "GPL";

/* Asks the control plane for a ring with flags. Its value is not used. */
const volatile __u32 ring_jet = 1;

SEC("xdp")
int xdp_jet(struct xdp_md *ctx)
{
	return forward(ctx, track_marked, FORWARD_TUNNEL);
}
