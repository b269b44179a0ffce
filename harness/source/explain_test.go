// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"strings"
	"testing"
)

// TestDroppedBody: a function whose body the compiler dropped is named, with what to look for.
func TestDroppedBody(t *testing.T) {
	if _, err := findClang(""); err != nil {
		t.Skip(err)
	}
	t.Chdir(t.TempDir())
	write(t, "mine.bpf.c", `#include "scx.bpf.h"
char _license[] SEC("license") = "GPL";
void SCX_OP(own_enqueue, struct task_struct *p, u64 enq_flags)
{
	int *z = 0;
	*z = 3;
}
SEC(".struct_ops.link") struct sched_ext_ops ops = { .enqueue = (void *)own_enqueue };
`)
	_, err := Open(context.Background(), "mine.bpf.c", "")
	if err == nil || !strings.Contains(err.Error(), "own_enqueue has no body in the object") || !strings.Contains(err.Error(), "undefined behaviour") {
		t.Error(err)
	}
}
