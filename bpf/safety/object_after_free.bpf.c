// SPDX-License-Identifier: GPL-2.0
/*
 * object_after_free - use of an object of the program's own after it was dropped
 *
 * Programs may allocate objects (since 6.2). A dropped object belongs to the allocator.
 */
#include "safety.bpf.h"

char _license[] SEC("license") = "GPL";

#include <bpf/bpf_core_read.h>

extern void *bpf_obj_new_impl(u64 local_type_id, void *meta) __attribute__((section(".ksyms")));
extern void bpf_obj_drop_impl(void *object, void *meta) __attribute__((section(".ksyms")));

struct object {
	u64 value;
};

SEC("tc")
EXPECT("root@6.3 refused: invalid mem access 'scalar'")
EXPECT("bpf@6.3 refused: R6 !read_ok")
int object_after_free(struct __sk_buff *skb)
{
	struct object *o = bpf_obj_new_impl(bpf_core_type_id_local(struct object), NULL);

	if (!o)
		return TC_ACT_OK;
	bpf_obj_drop_impl(o, NULL);
	return *(volatile u64 *)&o->value ? TC_ACT_OK : TC_ACT_SHOT;
}
