// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A space is a network namespace without a name, which lives as long as the thread that is locked into it.
type space struct {
	work chan func()
}

// newSpace makes a namespace with its loopback up.
func newSpace(tb testing.TB) *space {
	tb.Helper()
	needRoot(tb)
	s := &space{work: make(chan func())}
	ready := make(chan error)
	go s.live(ready)
	if err := <-ready; err != nil {
		tb.Fatalf("unshare network namespace: %v", err)
	}
	tb.Cleanup(func() { close(s.work) })
	s.do(tb, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	return s
}

// live does the work on a thread of its own. The thread is never unlocked: it ends with the goroutine, and the namespace
// with it. The process's first thread would not end, so if it comes to that one it keeps it busy and finds another.
func (s *space) live(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		done := make(chan struct{})
		go func() { defer close(done); s.live(ready) }()
		<-done
		return
	}
	ready <- unix.Unshare(unix.CLONE_NEWNET)
	for f := range s.work {
		f()
	}
}

// do runs f inside the namespace. f must not call tb.Fatal: it is another goroutine.
func (s *space) do(tb testing.TB, f func() error) {
	tb.Helper()
	done := make(chan error)
	s.work <- func() { done <- f() }
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
}

// balancerLink gives the namespace the balancer's link with its addresses, routes and neighbours, and forwarding on.
func balancerLink(reals int) (ifindex int, err error) {
	for _, path := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := os.WriteFile("/proc/sys/net/"+path, []byte("1"), 0); err != nil {
			return 0, err
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = "eth0", 1600, net.HardwareAddr(balancerMAC[:])
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "peer"}); err != nil {
		return 0, err
	}
	for _, name := range []string{"eth0", "peer"} {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			return 0, err
		}
	}
	l, err := netlink.LinkByName("eth0")
	if err != nil {
		return 0, err
	}
	ifindex = l.Attrs().Index
	for _, a := range []string{"198.18.0.10/16", "2001:2::10/64"} {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return 0, err
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(l, addr); err != nil {
			return 0, err
		}
	}
	for to, gateway := range map[string]string{"198.19.0.0/17": "198.18.0.1", "2001:2:0:1::/64": "2001:2::1"} {
		dst, err := netlink.ParseIPNet(to)
		if err != nil {
			return 0, err
		}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: ifindex, Dst: dst, Gw: net.ParseIP(gateway)}); err != nil {
			return 0, err
		}
	}
	at := map[string][6]byte{"198.18.0.1": clientMAC, "2001:2::1": clientMAC}
	for i := range reals {
		at[realAddr(4, i).String()], at[realAddr(6, i).String()] = realMAC(i), realMAC(i)
	}
	for addr, mac := range at {
		err := netlink.NeighSet(&netlink.Neigh{LinkIndex: ifindex, State: netlink.NUD_PERMANENT, IP: net.ParseIP(addr),
			HardwareAddr: net.HardwareAddr(mac[:])})
		if err != nil {
			return 0, err
		}
	}
	return ifindex, nil
}

// realAddr is the address of real i; reals of the two families share MAC addresses, not indices.
func realAddr(family, i int) netip.Addr {
	if family == 6 {
		a := netip.MustParseAddr("2001:2::1:0").As16()
		a[15] = byte(1 + i)
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{198, 18, 1, byte(1 + i)})
}

// A natRig is a balancer of class nat or socket with its maps filled: two services, TCP and UDP, both families. IPv4
// reals have the indices 0 to n-1, IPv6 ones n to 2n-1; there is one ring for each family, in which they take turns.
type natRig struct {
	*ebpf.Collection
	*space
	prog    *ebpf.Program
	reals   int
	ifindex int
	targets func(family, i int) netip.AddrPort // of each real; nil: plainTarget
}

// target is where packets for a real are sent.
func (r *natRig) target(family, i int) netip.AddrPort {
	if r.targets != nil {
		return r.targets(family, i)
	}
	return plainTarget(family, i)
}

// plainTarget is the target of a real whose address tells it from the others.
func plainTarget(family, i int) netip.AddrPort { return netip.AddrPortFrom(realAddr(family, i), 8080) }

const (
	natServices = 2
	natRing6    = ringLines // first line of the ring of IPv6 reals
)

func newNATRig(tb testing.TB, object string, reals int, knobs map[string]any) *natRig {
	tb.Helper()
	r := &natRig{space: newSpace(tb), reals: reals}
	r.do(tb, func() (err error) { r.ifindex, err = balancerLink(reals); return err })
	spec, err := Open(object)
	if err != nil {
		tb.Fatal(err)
	}
	seed := uint64(42)
	if v, ok := knobs["seed"]; ok {
		seed = v.(uint64)
	}
	if v := spec.Variables["cfg"]; v != nil {
		err := v.Set(testConfig{Seed: seed, Ifindex: uint32(r.ifindex), MTU: 1600, ClientMTU: 1500, MAC: balancerMAC})
		if err != nil {
			tb.Fatal(err)
		}
	}
	for name, value := range knobs {
		if name == "seed" {
			continue
		}
		if err := spec.Variables[name].Set(value); err != nil {
			tb.Fatal(err)
		}
	}
	entries, ok := knobs["flow_entries"].(uint32)
	if !ok { // a table of the usual size takes a tenth of a second to make, and longer to free
		entries = 1 << 16
		if err := spec.Variables["flow_entries"].Set(entries); err != nil {
			tb.Fatal(err)
		}
	}
	for _, m := range spec.Maps {
		if m.MaxEntries == 1<<20 {
			m.MaxEntries = entries
		}
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		tb.Fatal(err)
	}
	r.Collection, err = ebpf.NewCollection(spec)
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		tb.Fatalf("%+v", verifier)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	for _, r.prog = range r.Programs {
	}
	for i := range reals {
		r.setReal(tb, 4, i, 0)
		r.setReal(tb, 6, i, 0)
	}
	r.setRings(tb, 0)
	for i := range natServices {
		r.setService(tb, i, generation(i), 0)
	}
	return r
}

// setService puts service i in force, of both families and protocols. Generation 0 takes it out.
func (r *natRig) setService(tb testing.TB, i int, generation, flags uint32) {
	tb.Helper()
	v4 := &testVIP{RingSize: ringSize, Generation: generation, Flags: flags}
	v6 := &testVIP{RingSize: ringSize, Generation: generation, Flags: flags, RingLine: natRing6}
	if generation == 0 {
		v4, v6 = nil, nil
	}
	setVIP(tb, r.Collection, 4, i, v4)
	setVIP(tb, r.Collection, 6, i, v6)
	if r.Maps["generations"] == nil {
		return
	}
	// Where the tests' services have their index: another one each time, but for the first 16 bits.
	r.put(tb, "generations", uint32(1+i), testGeneration{Generation: generation, Flags: flags})
}

// setRings fills the rings, turned by some slots: turned by one, every slot has another real if there are several.
func (r *natRig) setRings(tb testing.TB, turn int) {
	tb.Helper()
	for l := range ringLines {
		var line4, line6 [32]uint16
		for i := range line4 {
			line4[i] = uint16((l*32 + i + turn) % r.reals)
			line6[i] = line4[i] + uint16(r.reals)
		}
		r.put(tb, "rings", uint32(l), line4)
		r.put(tb, "rings", uint32(natRing6+l), line6)
	}
}

func (r *natRig) setReal(tb testing.TB, family, i int, flags uint32) {
	tb.Helper()
	target := r.target(family, i)
	real := testReal{MAC: realMAC(i), Flags: flags}
	be.PutUint16(real.Port[:], target.Port())
	copy(real.Addr[:], target.Addr().AsSlice())
	if family == 6 {
		real.Flags |= realV6
		i += r.reals
	}
	r.put(tb, "reals", uint32(i), real)
}

func (r *natRig) put(tb testing.TB, name string, key, value any) {
	tb.Helper()
	if err := r.Maps[name].Put(key, value); err != nil {
		tb.Fatalf("put %v into %s: %v", key, name, err)
	}
}

// count returns one counter, summed over CPUs.
func (r *natRig) count(tb testing.TB, stat int) (sum uint64) {
	tb.Helper()
	var each []uint64
	if err := r.Maps["stats"].Lookup(uint32(stat), &each); err != nil {
		tb.Fatal(err)
	}
	for _, n := range each {
		sum += n
	}
	return sum
}

// fate is the verdict of a program on a frame, in words common to the hooks.
type fate string

const (
	fateSend fate = "send"
	fateDrop fate = "drop"
	fatePass fate = "pass"
)

// run gives one frame, which came in by the balancer's link, to the program.
func (r *natRig) run(tb testing.TB, frame []byte) (fate, []byte) {
	tb.Helper()
	opts := ebpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+256)}
	names := map[uint32]fate{xdpTX: fateSend, xdpDrop: fateDrop, xdpPass: fatePass}
	if r.prog.Type() == ebpf.XDP {
		// struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
		opts.Context = [6]uint32{0, uint32(len(frame)), 0, uint32(r.ifindex)}
	} else {
		skb := [48]uint32{10: uint32(r.ifindex)} // struct __sk_buff: ifindex
		opts.Context = skb
		names = map[uint32]fate{7: fateSend, 2: fateDrop, 1<<32 - 1: fatePass}
	}
	var verdict uint32
	r.do(tb, func() (err error) { verdict, err = r.prog.Run(&opts); return err })
	f, ok := names[verdict]
	if !ok {
		tb.Fatalf("verdict %d", int32(verdict))
	}
	return f, bytes.Clone(opts.DataOut)
}
