// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/labtest"
)

// methodOf says how an object is attached, by the type of its programs.
func methodOf(t *testing.T, name string) string {
	t.Helper()
	spec, err := bpf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range spec.Programs {
		switch p.Type {
		case ebpf.XDP:
			return "xdp"
		case ebpf.SchedCLS:
			return "tcx"
		}
	}
	return "cgroup"
}

// TestEveryObject puts each load balancer in force, gives it services of both families and takes it out again.
func TestEveryObject(t *testing.T) {
	site := labtest.BpfSite(t)
	site.Cgroup = labtest.BpfCgroup(t)
	ctx := context.Background()
	v6 := service.Service{VIP: netip.MustParseAddrPort("[2001:2:0:2::1]:80"), Proto: harness.UDP, Backends: []service.Backend{
		{Addr: netip.MustParseAddrPort("[2001:2::1:1]:80"), MAC: net.HardwareAddr{2, 0x4b, 0x58, 2, 0, 0}, Weight: 1}}}
	some := false
	for _, name := range bpf.Names() {
		if !strings.HasPrefix(name, "lb/") {
			continue
		}
		some = true
		t.Run(name, func(t *testing.T) {
			b, err := Methods(bpfobj.New(bpfobj.Options{RingLines: 1 << 12})).Put(ctx, harness.Variant{Name: name, Attach: methodOf(t, name), Object: name}, site)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if err := b.InForce(); err != nil {
				t.Error(err)
			}
			if err := b.Sync(ctx, []service.Service{testService(0, testBackend(0, 1), testBackend(1, 2)), v6}); err != nil {
				t.Error(err)
			}
			if err := b.Update(ctx, testService(0, testBackend(1, 2))); err != nil {
				t.Error(err)
			}
			if err := b.Flush(ctx); err != nil {
				t.Error(err)
			}
			if c, err := b.Counters(); err != nil {
				t.Error(c, err)
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			if b.InForce() == nil {
				t.Error("in force after Close")
			}
		})
	}
	if !some {
		t.Error("there is no load balancer object")
	}
}

// TestMapsHoldServices reads back what the maps of an object hold.
func TestMapsHoldServices(t *testing.T) {
	site := labtest.BpfSite(t)
	got, err := Methods(bpfobj.New(bpfobj.Options{RingLines: 1 << 12})).Put(context.Background(), harness.Variant{Attach: "xdp", Object: "lb/xdp_ipip",
		Knobs: []harness.Knob{{Name: "flow_entries", Value: 1 << 12}, {Name: "ring_size", Value: 4093}}}, site)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	b := got.(*bpfBalancer)
	if b.MaxFlows() != 1<<12 {
		t.Errorf("MaxFlows %d, want %d", b.MaxFlows(), 1<<12)
	}
	s := testService(3, testBackend(0, 1), testBackend(1, 3))
	if err := b.Sync(context.Background(), []service.Service{s}); err != nil {
		t.Fatal(err)
	}
	var vip abi.LBVIP
	if err := b.maps.vips4.Lookup(&abi.LBVIP4{Addr: [4]byte{198, 19, 128, 3}, Port: [2]byte{0, 80}, Proto: 6}, &vip); err != nil {
		t.Fatal(err)
	}
	if vip.RingSize != 4093 {
		t.Errorf("ring of %d slots, want 4093", vip.RingSize)
	}
	share := map[uint16]int{}
	for slot := range vip.RingSize {
		var line abi.LBLine
		if err := b.obj.Coll.Maps["rings"].Lookup(vip.RingLine+slot/abi.LBSlotsPerLine, &line); err != nil {
			t.Fatal(err)
		}
		share[line.Slot[slot%abi.LBSlotsPerLine]]++
	}
	if len(share) != 2 || share[1] < 3068 || share[1] > 3072 {
		t.Errorf("slots %v, want a quarter and three", share)
	}
	var r abi.LBReal
	if err := b.maps.reals.Lookup(uint32(1), &r); err != nil {
		t.Fatal(err)
	}
	want := abi.LBReal{MAC: [6]byte{2, 0x4b, 0x58, 2, 0, 1}, Port: [2]byte{0, 80}}
	copy(want.Addr[:], []byte{198, 18, 1, 2})
	if r != want {
		t.Errorf("real 1 is %+v, want %+v", r, want)
	}
	var line [64]byte
	line[9] = 1
	if err := b.obj.Coll.Maps["flows"].Put(uint32(5), line); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := b.obj.Coll.Maps["flows"].Lookup(uint32(5), &line); err != nil || line != [64]byte{} {
		t.Errorf("flow table after Flush: %v, %v", line, err)
	}
}

// TestFlushHash empties a hash table larger than a batch.
func TestFlushHash(t *testing.T) {
	labtest.AsRoot(t)
	for _, kind := range []ebpf.MapType{ebpf.Hash, ebpf.LRUHash, ebpf.PerCPUHash, ebpf.LRUCPUHash} {
		m, err := ebpf.NewMap(&ebpf.MapSpec{Type: kind, KeySize: 16, ValueSize: 8, MaxEntries: 40000})
		if err != nil {
			t.Fatal(err)
		}
		value := any(uint64(1))
		if kind == ebpf.PerCPUHash || kind == ebpf.LRUCPUHash {
			value = make([]uint64, ebpf.MustPossibleCPU())
		}
		for i := range uint64(20000) {
			if err := m.Put([2]uint64{i, i}, value); err != nil {
				t.Fatal(err)
			}
		}
		if err := (&lbMaps{flows: []*ebpf.Map{m}}).flush(); err != nil {
			t.Fatal(err)
		}
		if key, err := m.NextKeyBytes(nil); key != nil || err != nil {
			t.Errorf("%s: key %x left, %v", kind, key, err)
		}
		m.Close()
	}
}

// TestInForceNotices takes programs away behind the balancer's back.
func TestInForceNotices(t *testing.T) {
	site := labtest.BpfSite(t)
	for _, test := range []struct{ method, object string }{{"xdp", "lb/xdp_ipip"}, {"tcx", "lb/tc_ipip"}} {
		got, err := Methods(bpfobj.New(bpfobj.Options{RingLines: 64})).Put(context.Background(), harness.Variant{Attach: test.method, Object: test.object}, site)
		if err != nil {
			t.Fatal(err)
		}
		b := got.(*bpfBalancer)
		if err := b.InForce(); err != nil {
			t.Error(err)
		}
		if err := b.places[len(b.places)-1].(*bpfobj.Attachment).Link.Detach(); err != nil {
			t.Fatal(err)
		}
		if err := b.InForce(); err == nil || !strings.Contains(err.Error(), "detached") {
			t.Errorf("%s: detached, but InForce says %v", test.method, err)
		}
		b.Close()
	}
	// A second balancer on the link is refused, and the first one stays.
	a := Methods(bpfobj.New(bpfobj.Options{RingLines: 64}))
	first, err := a.Put(context.Background(), harness.Variant{Attach: "xdp", Object: "lb/xdp_tx"}, site)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := a.Put(context.Background(), harness.Variant{Attach: "tcx", Object: "lb/tc_ipip"}, site); err == nil {
		t.Error("two balancers on one link: no error")
	}
	if err := first.InForce(); err != nil {
		t.Error(err)
	}
}

// TestCgroupHooks attaches every program of an object at the hook of its section.
func TestCgroupHooks(t *testing.T) {
	site := labtest.BpfSite(t)
	site.Cgroup = labtest.BpfCgroup(t)
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{}}
	for name, where := range map[string]ebpf.AttachType{"c4": ebpf.AttachCGroupInet4Connect, "c6": ebpf.AttachCGroupInet6Connect} {
		spec.Programs[name] = &ebpf.ProgramSpec{Name: name, Type: ebpf.CGroupSockAddr, AttachType: where, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()}}
	}
	o, err := bpfobj.LoadObject("test/cgroup", spec, nil, site, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBPFBalancer(o, site, bpfobj.AttachCgroup)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.InForce(); err != nil || len(b.places) != 3 {
		t.Errorf("in force: %v, %d places; want no error and 3: XDP and two hooks", err, len(b.places))
	}
	if err := b.places[1].(*bpfobj.Attachment).Link.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.InForce(); err == nil || !strings.Contains(err.Error(), "detached") {
		t.Errorf("detached, but InForce says %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestZero clears an array, in batches of which the last is not full, and through its memory.
func TestZero(t *testing.T) {
	labtest.AsRoot(t)
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 64, MaxEntries: 40000, Flags: unix.BPF_F_MMAPABLE})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for name, clear := range map[string]func(*ebpf.Map) error{"batches": zero, "memory": zeroMemory} {
		at := []uint32{0, 1<<14 - 1, 1 << 14, 39999}
		for _, i := range at {
			if err := m.Put(i, [64]byte{63: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if err := clear(m); err != nil {
			t.Fatal(err)
		}
		for _, i := range at {
			var line [64]byte
			if err := m.Lookup(i, &line); err != nil || line != [64]byte{} {
				t.Errorf("%s: line %d is %v, %v", name, i, line, err)
			}
		}
	}
}
