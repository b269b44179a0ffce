// SPDX-License-Identifier: Apache-2.0

package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/bpfobj"
)

// counting has what two objects may differ in: a function that is not inlined, a map, variables, a constant text.
const counting = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct value {
	__u64 packets;
	union {
		__u32 last[4];
		__u64 wide;
	};
	enum { IDLE, BUSY } state;
};
struct task_struct;
struct timed {
	struct bpf_timer timer;
	struct task_struct __kptr *kept;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timed);
} timers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct value);
} counts SEC(".maps");

const volatile __u32 step = 1;
__u32 seen;

static __attribute__((noinline)) int add(__u32 key)
{
	struct value *v = bpf_map_lookup_elem(&counts, &key);

	if (!v)
		return 0;
	v->packets += step;
	return 1;
}

SEC("xdp")
int count(struct xdp_md *ctx)
{
	bpf_printk("seen %u", seen);
	return add(seen++ & 3) ? XDP_PASS : XDP_DROP;
}
`

// TestSame: changes of comments and names leave the code the same, all others do not.
func TestSame(t *testing.T) {
	dir := t.TempDir()
	open := func(name, text string) *Object {
		path := filepath.Join(dir, name+".bpf.c")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		o, err := Open(t.Context(), path, "")
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	base := open("base", counting)
	for _, c := range []struct {
		name, old, new string
		same           bool
	}{
		{"comment", "SEC(\"xdp\")", "/* Counts\n * packets.\n */\nSEC(\"xdp\")", true},
		{"local", "*v", "*entry", true},
		{"function", "add(", "increment(", true},
		{"program", "int count(", "int main_program(", true},
		{"macro", "seen++ & 3", "seen++ & (4 - 1)", true},
		{"constant", "seen++ & 3", "seen++ & 1", false},
		{"struct", "struct value", "struct amount", true},
		{"struct with pointers", "timed", "armed", true},
		{"member", "last[4]", "latest[4]", true},
		{"type of a member", "__u32 last[4]", "__s32 last[4]", false},
		{"length", "last[4]", "last[3]", false},
		{"kernel's struct", "struct bpf_timer timer;", "struct { __u64 : 64; __u64 : 64; } __attribute__((aligned(8))) timer;", false},
		{"enumerator", "IDLE, BUSY", "RESTING, BUSY", true},
		{"pointer", "struct task_struct __kptr *kept", "struct task_struct *kept", false},
		{"instruction", "v->packets += step;", "v->packets += step;\n\tv->packets ^= 5;", false},
		{"map", "max_entries, 4", "max_entries, 8", false},
		{"mapname", "counts", "totals", false}, // a control plane may know it by name
		{"knob", "step = 1", "step = 2", false},
		{"text", "seen %u", "seem %u", false},
		{"section", "SEC(\"xdp\")", "SEC(\"xdp.frags\")", false},
		{"licence", "\"GPL\"", "\"Dual MIT/GPL\"", false},
		{"variable", "__u32 seen;", "__u32 seen = 7;", false},
	} {
		text := strings.ReplaceAll(counting, c.old, c.new)
		if c.name == "local" {
			text = strings.NewReplacer("*v", "*entry", "!v)", "!entry)", "v->", "entry->").Replace(counting)
		}
		if text == counting {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		if got := bpfobj.Same(base.Spec, open(c.name, text).Spec); got != c.same {
			t.Errorf("%s: the same code: %v, want %v", c.name, got, c.same)
		}
	}
}
