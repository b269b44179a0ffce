// SPDX-License-Identifier: GPL-2.0
/*
 * hook_stamp - a version as a kernel module: it stamps numbered packets where netfilter sees them before routing, in one network namespace
 *
 * Each version is this module with another generation. Without a module packets are forwarded without a stamp. The loader writes into the
 * file the generation, the namespace, and where the running kernel has the members that the module uses, bytes from the struct's begin.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#include "module.mod.h"

#define SWAP_PORT 9999 /* swap.h */
#define STAMP	  28 /* the stamp behind the headers of IPv4 and UDP */
#define STAMP_END 60
#define NF_ACCEPT 1
#define PF_INET	  2

int register_pernet_subsys(void *ops);
void unregister_pernet_subsys(void *ops);
int nf_register_net_hook(void *net, const void *ops);
void nf_unregister_net_hook(void *net, const void *ops);
int skb_ensure_writable(void *skb, u32 length);

#define SET(name) volatile u64 name __attribute__((section(".data"))) = 0

SET(generation);
SET(namespace); /* its inode number */
SET(inum_at); /* struct net: that number */
SET(init_at); /* struct pernet_operations */
SET(exit_at);
SET(hook_at); /* struct nf_hook_ops */
SET(pf_at);
SET(data_at); /* struct sk_buff */

/* Larger than the kernel's structs, which these are. */
static u8 hook_ops[512] __attribute__((aligned(64)));
static u8 net_ops[512] __attribute__((aligned(64)));

static void *member(void *of, u64 at)
{
	return (u8 *)of + at;
}

static u32 stamp(void *priv, void *skb, const void *state)
{
	u8 *ip = *(u8 **)member(skb, data_at);

	(void)priv;
	(void)state;
	/* The headers are in reach: the kernel has checked that of IPv4, and of a shorter packet than a numbered one nothing is written. */
	if (ip[0] != 0x45 || ip[9] != 17 || skb_ensure_writable(skb, STAMP_END))
		return NF_ACCEPT;
	ip = *(u8 **)member(skb, data_at);
	if ((ip[22] << 8 | ip[23]) != SWAP_PORT)
		return NF_ACCEPT;
	*(u32 *)(ip + STAMP + 16) = generation;
	*(u32 *)(ip + STAMP + 20) += 1; /* hops */
	return NF_ACCEPT;
}

static int ours(void *net)
{
	return *(u32 *)member(net, inum_at) == namespace;
}

static int enter(void *net)
{
	return ours(net) ? nf_register_net_hook(net, hook_ops) : 0;
}

static void leave(void *net)
{
	if (ours(net))
		nf_unregister_net_hook(net, hook_ops);
}

int start(void);
int start(void)
{
	*(void **)member(hook_ops, hook_at) = stamp;
	*(u8 *)member(hook_ops, pf_at) = PF_INET; /* before routing is hook 0, and 0 a good priority */
	*(void **)member(net_ops, init_at) = enter;
	*(void **)member(net_ops, exit_at) = leave;
	return register_pernet_subsys(net_ops);
}

void stop(void);
void stop(void)
{
	unregister_pernet_subsys(net_ops);
}

MODULE_STAYS(start, stop, "kxlab_swap");
