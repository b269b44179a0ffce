/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Internet checksums updated by what changed (RFC 1624, equation 3). A sum collects differences, complement of the old
 * word plus the new one, in 64 bits; it is applied to as many checksums as cover the change. A checksum that was wrong
 * stays wrong by the same amount.
 */
#ifndef KXLAB_NATSUM_BPF_H
#define KXLAB_NATSUM_BPF_H

static __always_inline __u64 nat_diff16(__u64 sum, __u16 from, __u16 to)
{
	return sum + (__u16)~from + to;
}

/* Writes a word, adding the difference to the sum. */
static __always_inline __u64 nat_put16(__u64 sum, __u16 *at, __u16 to)
{
	sum = nat_diff16(sum, *at, to);
	*at = to;
	return sum;
}

static __always_inline __u64 nat_put32(__u64 sum, __u32 *at, __u32 to)
{
	sum += (__u64)(__u32) ~*at + to;
	*at = to;
	return sum;
}

static __always_inline __u16 nat_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16); /* below 2^17 + 2^16 */
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline void nat_sum_apply(__sum16 *check, __u64 sum)
{
	*check = ~nat_fold(sum + (__u16) ~*check);
}

/* UDP: zero means that there is no checksum, and stays so; a checksum that comes out as zero is written as all ones. */
static __always_inline void nat_sum_apply_udp(__sum16 *check, __u64 sum)
{
	__u16 sent;

	if (!*check)
		return;
	sent = ~nat_fold(sum + (__u16) ~*check);
	*check = sent ? sent : 0xffff;
}

#endif
