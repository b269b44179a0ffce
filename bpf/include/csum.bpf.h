/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Internet checksums (RFC 1071): folding, and the sum of a fresh IPv4 header. Nothing here repairs a checksum.
 */
#ifndef KXLAB_CSUM_BPF_H
#define KXLAB_CSUM_BPF_H

#include <linux/ip.h>
#include <linux/types.h>

/* Fold a sum of 16-bit words into a checksum field. */
static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The same of a sum below 2^31. Its upper bits go round in the addition (RFC 1071). */
static __always_inline __u16 csum_fold_short(__u32 sum)
{
	return ~(sum + ((sum + (sum >> 16)) >> 16));
}

/* The checksum of an IPv4 header without options whose check is 0. */
static __always_inline __u16 csum_ipv4(const struct iphdr *ip)
{
	const __u32 *word = (const void *)ip;
	__u64 sum = 0;

	for (int i = 0; i < 5; i++)
		sum += word[i];
	return csum_fold(sum);
}

#endif
