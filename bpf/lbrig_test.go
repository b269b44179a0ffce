// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf/abi"
)

type (
	testVIP4       = abi.LBVIP4
	testVIP6       = abi.LBVIP6
	testVIP        = abi.LBVIP
	testGeneration = abi.LBGeneration
	testRemoved    = abi.LBRemoved
	testReal       = abi.LBReal
	testConfig     = abi.LBConfig
)

const (
	protoTCP = 6
	protoUDP = 17

	realV6, realDown    = abi.LBRealV6, abi.LBRealDown
	vipRemoved          = abi.LBVIPRemoved
	slotTrack, slotLook = abi.LBSlotTrack, abi.LBSlotLook
	ringSize, ringLines = 1021, 32

	xdpDrop, xdpPass, xdpTX = 1, 2, 3
)

// Indices of enum lb_stat.
const (
	statPackets       = abi.LBStatPackets
	statNew           = abi.LBStatNew
	statFlood         = abi.LBStatFlood
	statICMP          = abi.LBStatICMP
	statTooBig        = abi.LBStatToobig
	statDropFragment  = abi.LBStatDropFragment
	statDropOptions   = abi.LBStatDropOptions
	statDropMalformed = abi.LBStatDropMalformed
	statDropNoReal    = abi.LBStatDropNoreal
	statDropTooLong   = abi.LBStatDropToolong
	statNoRoute       = abi.LBStatNoroute
	statReturn        = abi.LBStatReturn
	statPass          = abi.LBStatPass
	stats             = abi.LBStats
)

var (
	balancerMAC = [6]byte{0x02, 0x4b, 0x58, 1, 0, 0}
	clientMAC   = [6]byte{0x02, 0x4b, 0x58, 0, 0, 0}
)

func realMAC(i int) [6]byte { return [6]byte{0x02, 0x4b, 0x58, 2, byte(i >> 8), byte(i)} }

// vip returns the address of service i.
func vip(family, i int) netip.Addr {
	if family == 6 {
		a := netip.MustParseAddr("2001:2:0:2::").As16()
		binary.BigEndian.PutUint32(a[12:], uint32(i))
		return netip.AddrFrom16(a)
	}
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 198<<24|19<<16|128<<8+uint32(i))
	return netip.AddrFrom4(a)
}

// A rigSpec is what a balancer is loaded with.
type rigSpec struct {
	Object   string
	Knobs    map[string]any
	Entries  uint32 // of the flow table; 0: 65,536
	Services int    // 0: 1. Port 80, TCP and UDP, IPv4 and IPv6
	Reals    int    // 0: 4
	V6Reals  bool
	Flags    func(slot int) uint16 // of ring slots; may be nil
	Share    *rig                  // whose maps it has; nil: its own
}

// A rig is a loaded balancer with its maps filled: every service has the same ring, in which reals take turns.
type rig struct {
	*ebpf.Collection
	prog *ebpf.Program
	spec rigSpec
}

func needRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("needs root to load BPF programs")
	}
}

func newRig(tb testing.TB, s rigSpec) *rig {
	tb.Helper()
	needRoot(tb)
	s.Services, s.Reals, s.Entries = max(s.Services, 1), max(s.Reals, 1), max(s.Entries, 8)
	if err := rlimit.RemoveMemlock(); err != nil {
		tb.Fatal(err)
	}
	spec, err := Open(s.Object)
	if err != nil {
		tb.Fatal(err)
	}
	ncpu := ebpf.MustPossibleCPU()
	set := func(name string, value any) {
		if v := spec.Variables[name]; v != nil {
			if err := v.Set(value); err != nil {
				tb.Fatalf("set %s: %v", name, err)
			}
		} else if name != "cfg" {
			tb.Fatalf("%s has no variable %s", s.Object, name)
		}
	}
	set("cfg", testConfig{Seed: 0x1234567890abcdef, Ifindex: 1, MTU: 1600, ClientMTU: 1500, Addr4: [4]byte{198, 18, 0, 10},
		Addr6: netip.MustParseAddr("2001:2::10").As16(), MAC: balancerMAC, NCPU: uint32(ncpu)})
	for name, value := range s.Knobs {
		set(name, value)
	}
	if m := spec.Maps["flows"]; m != nil {
		set("flow_entries", s.Entries)
		m.MaxEntries = s.Entries / 8 * uint32(ncpu)
	}
	if s.Knobs["counters"] != nil {
		spec.Maps["tallies"].MaxEntries = abi.LBTallies * uint32(ncpu)
	}
	for _, name := range []string{"vip_cache", "recent"} {
		if m := spec.Maps[name]; m != nil {
			m.MaxEntries *= uint32(ncpu)
		}
	}
	opts := ebpf.CollectionOptions{MapReplacements: map[string]*ebpf.Map{}}
	if s.Share != nil {
		for name, m := range s.Share.Maps {
			if name[0] != '.' {
				opts.MapReplacements[name] = m
			}
		}
	}
	c, err := ebpf.NewCollectionWithOptions(spec, opts)
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		tb.Fatalf("%+v", verifier)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	r := &rig{Collection: c, spec: s}
	for _, r.prog = range c.Programs {
	}
	r.fill(tb)
	return r
}

func (r *rig) fill(tb testing.TB) {
	tb.Helper()
	for i := range r.spec.Reals {
		r.setReal(tb, i, 0)
	}
	if r.Maps["rings"] == nil {
		return
	}
	for l := range ringLines {
		var line [32]uint16
		for i := range line {
			slot := l*32 + i
			line[i] = uint16(slot % r.spec.Reals)
			if r.spec.Flags != nil {
				line[i] |= r.spec.Flags(slot)
			}
		}
		r.put(tb, "rings", uint32(l), line)
	}
	protos := []uint8{protoTCP, protoUDP}
	if r.spec.Services > 1000 {
		protos = protos[:1] // enough, and quicker
	}
	for i := range r.spec.Services {
		for _, proto := range protos {
			v := testVIP{RingSize: ringSize, Generation: generation(i)}
			r.put(tb, "vips4", testVIP4{Addr: vip(4, i).As4(), Port: [2]byte{0, 80}, Proto: proto}, v)
			r.put(tb, "vips6", testVIP6{Addr: vip(6, i).As16(), Port: [2]byte{0, 80}, Proto: proto}, v)
		}
	}
}

// generation is that of service i, of all its protocols and families.
func generation(i int) uint32 { return uint32(1 + i) }

// setVIP writes service i as testVIP has it, TCP and UDP of a family, or takes it out if v is nil.
func setVIP(tb testing.TB, c *ebpf.Collection, family, i int, v *testVIP) {
	tb.Helper()
	for _, proto := range []uint8{protoTCP, protoUDP} {
		vips, key := c.Maps["vips4"], any(testVIP4{Addr: vip(4, i).As4(), Port: [2]byte{0, 80}, Proto: proto})
		if family == 6 {
			vips, key = c.Maps["vips6"], testVIP6{Addr: vip(6, i).As16(), Port: [2]byte{0, 80}, Proto: proto}
		}
		err := vips.Delete(key)
		if v != nil {
			err = vips.Put(key, v)
		}
		if err != nil {
			tb.Fatalf("set service %d: %v", i, err)
		}
	}
	raiseEpoch(tb, c)
}

// raiseEpoch makes a program look up services anew that it has in a cache.
func raiseEpoch(tb testing.TB, c *ebpf.Collection) {
	tb.Helper()
	v := c.Variables["vips_epoch"]
	if v == nil {
		return
	}
	var n uint64
	if err := v.Get(&n); err != nil {
		tb.Fatal(err)
	}
	if err := v.Set(n + 1); err != nil {
		tb.Fatal(err)
	}
}

// takeOut says that the real was taken out of service i, and stays up.
func takeOut(tb testing.TB, c *ebpf.Collection, family, i int, real uint32, v testVIP) {
	tb.Helper()
	if err := c.Maps["removed"].Put(testRemoved{Generation: v.Generation, Real: real}, uint32(0)); err != nil {
		tb.Fatal(err)
	}
	v.Flags |= vipRemoved
	setVIP(tb, c, family, i, &v)
}

// setReal writes real i with further flags.
func (r *rig) setReal(tb testing.TB, i int, flags uint32) {
	tb.Helper()
	real := testReal{MAC: realMAC(i), Port: [2]byte{0x1f, 0x90}, Flags: flags}
	copy(real.Addr[:], []byte{198, 18, 1, byte(1 + i)})
	if r.spec.V6Reals {
		real.Addr = netip.MustParseAddr("2001:2::1:0").As16()
		real.Addr[15] = byte(1 + i)
		real.Flags |= realV6
	}
	r.put(tb, "reals", uint32(i), real)
}

func (r *rig) put(tb testing.TB, name string, key, value any) {
	tb.Helper()
	if err := r.Maps[name].Put(key, value); err != nil {
		tb.Fatalf("put %v into %s: %v", key, name, err)
	}
	if name == "vips4" {
		raiseEpoch(tb, r.Collection)
	}
}

// counts returns the counters, summed over CPUs.
func (r *rig) counts(tb testing.TB) (sum [stats]uint64) {
	tb.Helper()
	for i := range sum {
		var each []uint64
		if err := r.Maps["stats"].Lookup(uint32(i), &each); err != nil {
			tb.Fatal(err)
		}
		for _, n := range each {
			sum[i] += n
		}
	}
	return sum
}

// forget empties the flow table and what was taken from it.
func (r *rig) forget(tb testing.TB) {
	tb.Helper()
	var key uint32
	var line [8]uint64
	for entries := r.Maps["flows"].Iterate(); entries.Next(&key, &line); {
		if line != [8]uint64{} {
			r.put(tb, "flows", key, [8]uint64{})
		}
	}
	mem, err := r.Maps["recent"].Memory()
	if err == nil {
		_, err = mem.WriteAt(make([]byte, mem.Size()), 0)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// run gives one frame to the program.
func (r *rig) run(tb testing.TB, frame []byte) (verdict uint32, out []byte) {
	tb.Helper()
	opts := ebpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+256)}
	verdict, err := r.prog.Run(&opts)
	if err != nil {
		tb.Fatalf("run %s with %d bytes: %v", r.spec.Object, len(frame), err)
	}
	return verdict, bytes.Clone(opts.DataOut)
}

// pin keeps the test on one CPU, so that the flow table of that CPU is the one in use.
func pin(tb testing.TB) {
	tb.Helper()
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		tb.Fatal(err)
	}
	for cpu := range 1024 {
		if before.IsSet(cpu) {
			one.Zero()
			one.Set(cpu) // the last one stays: the first has most of the interrupts
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			tb.Error(err)
		}
		runtime.UnlockOSThread()
	})
}
