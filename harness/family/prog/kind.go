// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/harness"
)

// A Kind is a type of program that the kernel's test run takes.
type Kind struct {
	Type ebpf.ProgramType
	Name string // as people call the type
	// Packet says that the input is a packet. Otherwise it is a context, bytes that the program's argument points to.
	Packet bool
	// context is the size of the context beside a packet, bytes, 0 if it has none.
	context int
	// returnsPacket says that the output is the packet. A flow dissector returns flow keys, which each run fills anew.
	returnsPacket bool
	// repeats says that the kernel repeats runs within a call.
	repeats bool
	// values are the names of return values, from 0 on.
	values []string
}

// The sizes of contexts, bytes: struct __sk_buff, struct xdp_md (linux/bpf.h).
const (
	skbSize  = 192
	xdpSize  = 24
	keysSize = 56 // struct bpf_flow_keys
)

// minPacket is the least packet that a test run takes, bytes: an Ethernet header.
const minPacket = 14

var kinds = []Kind{
	{Type: ebpf.XDP, Name: "XDP", Packet: true, context: xdpSize, returnsPacket: true, repeats: true,
		values: []string{"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"}},
	{Type: ebpf.SchedCLS, Name: "tc", Packet: true, context: skbSize, returnsPacket: true, repeats: true,
		values: []string{"TC_ACT_OK", "TC_ACT_RECLASSIFY", "TC_ACT_SHOT", "TC_ACT_PIPE", "TC_ACT_STOLEN", "TC_ACT_QUEUED", "TC_ACT_REPEAT", "TC_ACT_REDIRECT", "TC_ACT_TRAP"}},
	{Type: ebpf.CGroupSKB, Name: "cgroup_skb", Packet: true, context: skbSize, returnsPacket: true, repeats: true, values: []string{"deny", "allow"}},
	{Type: ebpf.SocketFilter, Name: "socket filter", Packet: true, context: skbSize, returnsPacket: true, repeats: true},
	{Type: ebpf.FlowDissector, Name: "flow dissector", Packet: true, repeats: true, values: []string{"BPF_OK", "", "BPF_DROP"}},
	{Type: ebpf.RawTracepoint, Name: "raw tracepoint"},
	{Type: ebpf.Syscall, Name: "syscall"},
}

// kindNames lists the types that can be run.
func kindNames() string {
	return strings.Join(harness.Map(kinds, func(k Kind) string { return k.Name }), ", ")
}

// KindOf returns the kind of a program. Programs that only run attached to something have none.
func KindOf(p *ebpf.ProgramSpec) (Kind, error) {
	if k, ok := harness.Find(kinds, func(k Kind) bool { return k.Type == p.Type }); ok {
		return k, nil
	}
	if p.Type == ebpf.UnspecifiedProgram {
		return Kind{}, fmt.Errorf("program %s: its section %q names no type of program", p.Name, p.SectionName)
	}
	return Kind{}, fmt.Errorf("program %s: the kernel runs no %v program (section %q) by itself; it runs programs of the types %s", p.Name, p.Type, p.SectionName, kindNames())
}

// ErrUnnamed says that an object has several programs, none of which was named.
var ErrUnnamed = errors.New("name one by --program")

// Pick returns the program of an object that is run: the named one, else the only one that can be run.
func Pick(spec *ebpf.CollectionSpec, name string) (*ebpf.ProgramSpec, Kind, error) {
	all := slices.Sorted(maps.Keys(spec.Programs))
	if name != "" {
		if err := harness.Known("program", name, all); err != nil {
			return nil, Kind{}, err
		}
		k, err := KindOf(spec.Programs[name])
		return spec.Programs[name], k, err
	}
	var last error
	can := harness.Filter(all, func(name string) bool {
		_, err := KindOf(spec.Programs[name])
		if err != nil {
			last = err
		}
		return err == nil
	})
	switch {
	case len(all) == 0:
		return nil, Kind{}, fmt.Errorf("the object has no program")
	case len(can) == 0:
		return nil, Kind{}, last
	case len(can) > 1:
		listed := harness.Map(can, func(name string) string { return fmt.Sprintf("%s (%v)", name, spec.Programs[name].Type) })
		return nil, Kind{}, fmt.Errorf("the object has %d programs that can be run: %w: %s", len(can), ErrUnnamed, strings.Join(listed, ", "))
	}
	k, err := KindOf(spec.Programs[can[0]])
	return spec.Programs[can[0]], k, err
}

// Value names a return value of a program.
func (k Kind) Value(v uint32) string {
	if int64(v) < int64(len(k.values)) && k.values[v] != "" {
		return fmt.Sprintf("%s (%d)", k.values[v], v)
	}
	if v > 1<<31 {
		return fmt.Sprint(int32(v))
	}
	return fmt.Sprint(v)
}

// check returns an error for an input that the kernel would refuse.
func (k Kind) check(in Input) error {
	switch {
	case k.Packet && in.Context:
		return fmt.Errorf("input %s: it is a context, and a program of type %s takes a packet", in.Name, k.Name)
	case !k.Packet && in.Packet:
		return fmt.Errorf("input %s: it is a packet, and a program of type %s takes a context", in.Name, k.Name)
	case k.Packet && len(in.Data) < minPacket:
		return fmt.Errorf("input %s: %d bytes, and the kernel's test run takes no packet below %d, an Ethernet header", in.Name, len(in.Data), minPacket)
	case k.Packet && len(in.Data) > maxPacket:
		return fmt.Errorf("input %s: %d bytes, and the kernel's test run takes at most %d in one buffer", in.Name, len(in.Data), maxPacket)
	case k.Type == ebpf.RawTracepoint && (len(in.Data) > maxArgs || len(in.Data)%8 != 0):
		return fmt.Errorf("input %s: %d bytes, and a raw tracepoint has at most %d arguments of 8 bytes", in.Name, len(in.Data), maxArgs/8)
	case k.Type == ebpf.Syscall && len(in.Data) > maxSyscall:
		return fmt.Errorf("input %s: %d bytes, and the context of a syscall program has at most %d", in.Name, len(in.Data), maxSyscall)
	}
	return nil
}

const (
	maxPacket  = 3 << 10 // a page less headroom and the space of skb_shared_info
	maxArgs    = 12 * 8
	maxSyscall = 1<<16 - 1
	zeroCall   = 1024 // bytes of a syscall program's context unless the user gives one
)
