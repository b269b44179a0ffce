/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The choice of a packet's real. track_all looks up the flow table first, and the ring for unknown flows; track_marked looks up
 * the ring first, and the flow table only for slots with a flag.
 */
#ifndef KXLAB_TRACK_BPF_H
#define KXLAB_TRACK_BPF_H

#include "flow.bpf.h"
#include "lb.h"
#include "member.bpf.h"
#include "parse.bpf.h"
#include "real.bpf.h"
#include "ring.bpf.h"
#include "stats.bpf.h"

/* The operations on the flow table that this packet permits. */
enum track {
	TRACK_FLOW, /* a packet of the flow: look up, insert */
	TRACK_ABOUT, /* an ICMP error about the flow: look up only */
};

/* The real of a ring slot. */
static __always_inline struct lb_real *track_slot(int slot)
{
	return slot < 0 ? NULL : real_get(slot & LB_SLOT_REAL);
}

/* The tag of a packet's flow for this service in the flow table now. */
static __always_inline __u64 track_name(const struct lb_vip *vip, const struct packet *p, __u64 hash, __u64 now)
{
	return flow_name(hash, vip->generation, p->proto == IPPROTO_UDP ? now >> FLOW_ERA_SHIFT : 0);
}

/*
 * The real of an entry of the flow table, NULL if there is none or the real is no backend of the service any more. *line is
 * the flow's line if it was looked at.
 */
static __always_inline struct lb_real *track_known(const struct lb_vip *vip, struct flow_line **line, __u64 hash,
						   const struct packet *p, __u64 now, __u32 *chosen)
{
	bool udp = p->proto == IPPROTO_UDP;
	__u64 name = track_name(vip, p, hash, now);
	__u64 *recent = flow_recent_of(hash);
	int index = recent ? flow_recent_find(recent, name, now) : -1;
	struct lb_real *real;

	if (index < 0) {
		*line = flow_line_of(hash);
		if (!*line)
			return NULL;
		index = flow_find(*line, name, udp, now);
		if (index < 0 && udp && (now & ((1 << FLOW_ERA_SHIFT) - 1)) <= udp_idle_sec)
			index =
			    flow_carry(*line, flow_name(hash, vip->generation, (now >> FLOW_ERA_SHIFT) - 1), name, now);
		if (index < 0)
			return NULL;
		if (recent)
			flow_recent_put(recent, name, index, now);
	}
	real = real_get(index);
	if (!real || (real->flags & LB_REAL_DOWN) || member_removed(vip->generation, vip->flags, index)) {
		flow_recent_drop(hash, name);
		return NULL;
	}
	*chosen = index;
	return real;
}

/*
 * Every flow is tracked. A SYN does not look up, as it begins a connection whatever was there before; above the flood
 * guard's limit the table is not touched for it at all. A RST ends what it belongs to: no entry for it.
 * Returns NULL if the service has no backends, else sets *chosen to the real's index.
 */
static __always_inline struct lb_real *track_all(const struct lb_vip *vip, const struct packet *p, __u64 hash,
						 enum track mode, __u32 *chosen)
{
	__u64 now = flow_now();
	struct flow_line *line = NULL;
	struct lb_real *real;
	int slot;

	if (!(p->tcp_flags & TCP_SYN)) {
		real = track_known(vip, &line, hash, p, now, chosen);
		if (real)
			return real;
	} else {
		flow_recent_drop(hash, track_name(vip, p, hash, now));
	}
	slot = ring_find(vip, hash);
	*chosen = slot & LB_SLOT_REAL;
	real = track_slot(slot);
	if (!real || mode == TRACK_ABOUT)
		return real;
	stat_count(LB_STAT_NEW);
	if (p->tcp_flags & TCP_RST)
		return real;
	if (!flow_guard_admits(now)) {
		stat_count(LB_STAT_FLOOD);
		return real;
	}
	if (!line)
		line = flow_line_of(hash);
	if (line)
		flow_insert(line, track_name(vip, p, hash, now), slot & LB_SLOT_REAL, now);
	return real;
}

/*
 * Only flows on slots whose real would change if a spare were added are tracked (LB_SLOT_TRACK), and only on slots where
 * tracked flows may be are they looked up (LB_SLOT_LOOK). A SYN on such a slot replaces or removes what was there before.
 * On the slots of a drained backend (LB_SLOT_DRAIN) flows begun before stay with it; those that begin now go by the
 * service's second ring and are tracked, whatever the flood guard says: without an entry they would break at once.
 */
static __always_inline struct lb_real *track_marked(const struct lb_vip *vip, const struct packet *p, __u64 hash,
						    enum track mode, __u32 *chosen)
{
	int slot = ring_find(vip, hash);
	struct lb_real *real = track_slot(slot);
	struct flow_line *line = NULL;
	__u64 now;

	*chosen = slot & LB_SLOT_REAL;
	if (!real || !(slot & (LB_SLOT_LOOK | LB_SLOT_TRACK)))
		return real;
	now = flow_now();
	if (!(p->tcp_flags & TCP_SYN)) {
		struct lb_real *known = track_known(vip, &line, hash, p, now, chosen);

		if (known)
			return known;
	} else {
		flow_recent_drop(hash, track_name(vip, p, hash, now));
	}
	if (!line)
		line = flow_line_of(hash);
	if (!line)
		return real;
	if (mode == TRACK_ABOUT)
		return real;
	if ((slot & LB_SLOT_FLAGS) == LB_SLOT_DRAIN) {
		/* Not in the table: from before the drain, unless it is only beginning. */
		if (!(p->tcp_flags & TCP_SYN) || !(vip->flags & LB_VIP_DRAINS))
			return real;
		stat_count(LB_STAT_NEW);
		slot = ring_find_new(vip, hash);
		*chosen = slot & LB_SLOT_REAL;
		real = track_slot(slot);
		if (real)
			flow_insert(line, track_name(vip, p, hash, now), slot & LB_SLOT_REAL, now);
		return real;
	}
	stat_count(LB_STAT_NEW);
	if (p->tcp_flags & TCP_RST)
		return real;
	if (!(slot & LB_SLOT_TRACK)) {
		if (p->tcp_flags & TCP_SYN)
			flow_forget(line, track_name(vip, p, hash, now));
		return real;
	}
	if (!flow_guard_admits(now)) {
		stat_count(LB_STAT_FLOOD);
		if (p->tcp_flags & TCP_SYN)
			flow_forget(line, track_name(vip, p, hash, now));
		return real;
	}
	flow_insert(line, track_name(vip, p, hash, now), slot & LB_SLOT_REAL, now);
	return real;
}

#endif
