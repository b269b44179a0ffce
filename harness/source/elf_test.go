// SPDX-License-Identifier: Apache-2.0

package source

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness/bpfobj"
)

// kernelStyle has what the kernel's own objects have and the library does not read: operations without a link, a further section of
// zeros, a weak map.
const kernelStyle = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char _license[] SEC("license") = "GPL";

struct sock;
struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps") __weak;

__u32 locked SEC(".bss.A");
__u32 other SEC(".bss.B");
__u32 plain = 0;

SEC("struct_ops")
__u32 BPF_PROG(weak_ssthresh, struct sock *sk)
{
	__u32 key = 0;
	__u64 *n = bpf_map_lookup_elem(&counts, &key);

	if (n)
		*n += 1;
	locked++;
	other += 2;
	return ++plain;
}

SEC(".struct_ops")
struct tcp_congestion_ops weak = {
	.ssthresh = (void *)weak_ssthresh,
	.name = "weak",
};
`

// TestReadable: an object in the manner of the kernel's selftests is read, with its operations, variables and maps by their names.
func TestReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weak.bpf.c")
	if err := os.WriteFile(path, []byte(kernelStyle), 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := Open(t.Context(), path, "")
	if err != nil {
		t.Fatal(err)
	}
	if kind := bpfobj.KindOf(o.Spec); kind != bpfobj.KindCC {
		t.Errorf("it is %s", kind)
	}
	if m := o.Spec.Maps["weak"]; m == nil || m.Type != ebpf.StructOpsMap || m.Value.TypeName() != "tcp_congestion_ops" {
		t.Errorf("the operations are %v", m)
	}
	if p := o.Spec.Programs["weak_ssthresh"]; p == nil || p.AttachTo != "tcp_congestion_ops:ssthresh" {
		t.Errorf("the program is %v", p)
	}
	for name, section := range map[string]string{"locked": ".data.bss.A", "other": ".data.bss.B", "plain": ".bss"} {
		if v := o.Spec.Variables[name]; v == nil || v.SectionName != section || v.Type == nil {
			t.Errorf("variable %s is %v, want one of section %s with a type", name, v, section)
		}
	}
	if o.Spec.Maps["counts"] == nil {
		t.Error("map counts is not there")
	}
}

// TestReadableKeeps: what is no object of the kind, or is cut off, is returned as it is.
func TestReadableKeeps(t *testing.T) {
	raw, err := os.ReadFile("../../bpf/lb/xdp_nat.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n <= len(raw); n += 97 {
		if string(readable(raw[:n])) != string(raw[:n]) {
			t.Errorf("the first %d bytes of an object are changed", n)
		}
	}
	if string(readable(raw)) != string(raw) {
		t.Error("an object that the library reads is changed")
	}
}

// TestExplainRead: a variable in a section that the library does not read is no function without a body.
func TestExplainRead(t *testing.T) {
	for source, want := range map[string]string{
		`__u32 away SEC(".addr_space.1"); SEC("xdp") int prog(void *ctx) { return away++; }`: "variables in an arena (section .addr_space.1) cannot be read",
		`__u32 away SEC("elsewhere"); SEC("xdp") int prog(void *ctx) { return away++; }`:     "variables in section elsewhere cannot be read",
	} {
		path := filepath.Join(t.TempDir(), "x.bpf.c")
		text := "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nchar _license[] SEC(\"license\") = \"GPL\";\n" + source
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", source, err, want)
		}
	}
	raw, err := os.ReadFile("../../bpf/lb/xdp_nat.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	code := slices.IndexFunc(f.Sections, func(s *elf.Section) bool { return s.Flags&elf.SHF_EXECINSTR != 0 })
	err = explainRead(raw, fmt.Errorf("load relocations: section \"xdp\": reference to \"nobody\" in section SHN_UNDEF+%d: not supported", code))
	if want := "nobody has no body in the object"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
}
