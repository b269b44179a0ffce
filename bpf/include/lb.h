/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Structs, constants and counters that load balancers share with Go. bpf/abi/lb.go is generated from this header. No code,
 * no maps.
 */
#ifndef KXLAB_LB_H
#define KXLAB_LB_H

/* Limits of the maps' indices. */
#define LB_MAX_REALS   16384 /* a ring slot has 14 bits for the real */
#define LB_SERVICES    32768 /* of a family, that maps are made for */
#define LB_GENERATIONS 262144 /* a power of two: all services that vips4 and vips6 have room for */
#define LB_RECENT      32768 /* elements of recent for each CPU, a power of two */
#define LB_VIP_CACHE   1024 /* elements of vip_cache for each CPU */
#define LB_REMOVED     65536 /* backends taken out of services that are still there */

/* A slot of a ring: the index of a real and two flags, both used by just-enough tracking only. */
#define LB_SLOT_REAL	  0x3fff
#define LB_SLOT_TRACK	  0x4000 /* would change if a spare were added: track new connections */
#define LB_SLOT_LOOK	  0x8000 /* tracked connections may exist here: look them up */
#define LB_SLOT_FLAGS	  0xc000
#define LB_SLOT_DRAIN	  LB_SLOT_TRACK /* alone: the real is drained, new connections go by the second ring */
#define LB_SLOTS_PER_LINE 32

/* Key of vips4: IPv4 address, port and protocol. */
struct lb_vip4 {
	__be32 addr;
	__be16 port;
	__u8 proto;
	__u8 pad;
};

/* Key of vips6. */
struct lb_vip6 {
	__be32 addr[4];
	__be16 port;
	__u8 proto;
	__u8 pad;
};

/* A service. Without backends its ring_size is 0. */
struct lb_vip {
	__u32 ring_size; /* slots, a prime */
	__u32 ring_line; /* first line of its ring in the map rings */
	__u32 flags; /* LB_VIP_* */
	__u32 generation; /* another one each time that a service is added; its low bits index generations */
};

#define LB_VIP_DRAINS  1 /* a second ring for new connections follows in the lines after the first */
#define LB_VIP_REMOVED 2 /* backends were taken out: the map removed names them */

/* Value of generations: the service whose generation has this index. 0 is no service. */
struct lb_generation {
	__u32 generation;
	__u32 flags; /* as in struct lb_vip */
};

/* Key of removed: a backend that was taken out of a service. It may still be up, and another service's backend. */
struct lb_removed {
	__u32 generation; /* of the service */
	__u32 real; /* index into reals */
};

/* One line of ring slots: a cache line. Slot s of a ring is slot[s % 32] of line ring_line + s / 32. */
struct lb_line {
	__u16 slot[LB_SLOTS_PER_LINE];
};

/* One real server. IPv4 addresses stand in addr[0], the others are 0. */
struct lb_real {
	__be32 addr[4];
	__u8 mac[6];
	__be16 port; /* nat and socket rewrite the port, ipip and dsr keep the service's */
	__u32 flags; /* LB_REAL_* */
	__u32 pad;
};

#define LB_REAL_V6   1 /* addr is an IPv6 address */
#define LB_REAL_DOWN 2 /* removed: connections to it must be balanced anew */

/* Value of tallies: what was forwarded for one service or to one real. */
struct lb_tally {
	__u64 packets;
	__u64 bytes; /* of IP packets as the client sent them */
};

/* Elements of tallies for each CPU: services by the index of their generation, then reals by theirs. */
#define LB_TALLIES (LB_GENERATIONS + LB_MAX_REALS)

/* Indices into the per-CPU array stats. */
enum lb_stat {
	LB_STAT_PACKETS, /* packets of a service, forwarded */
	LB_STAT_NEW, /* of them: not in the flow table */
	LB_STAT_FLOOD, /* new, and not inserted because of the flood guard */
	LB_STAT_ICMP, /* ICMP errors forwarded */
	LB_STAT_TOOBIG, /* answered with fragmentation needed or packet too big */
	LB_STAT_DROP_FRAGMENT,
	LB_STAT_DROP_OPTIONS, /* IPv4 options or IPv6 extension headers */
	LB_STAT_DROP_MALFORMED, /* truncated or inconsistent */
	LB_STAT_DROP_NOREAL, /* a service without backends */
	LB_STAT_DROP_TOOLONG, /* too long for the tunnel, without "don't fragment" */
	LB_STAT_NOROUTE, /* translated (nat) and left to the kernel, which named no next hop */
	LB_STAT_RETURN, /* packets from reals, translated back (nat) */
	LB_STAT_PASS, /* left to the kernel */
	LB_STATS,
};

/* The balancer's place in the network; the const volatile variable cfg, set before load. */
struct lb_config {
	__u64 seed;
	__u32 ifindex; /* of the one link it receives and sends on */
	__u32 mtu; /* of that link, bytes of IP packet */
	__u32 client_mtu; /* largest IP packet that clients may send through a tunnel, bytes */
	__be32 addr4; /* own addresses, outer sources of tunnels */
	__be32 addr6[4];
	__u8 mac[6];
	__u8 pad[2];
	__u32 ncpu; /* possible CPUs */
	__u32 pad2;
};

#endif
