// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
)

// fuzzObjects are the objects that balance packets, and the class of each.
var fuzzObjects = map[string]string{
	"lb/xdp_ipip": "ipip", "lb/xdp_jet": "ipip", "lb/tc_ipip": "ipip", "lb/xdp_dsr": "dsr", "lb/xdp_nat": "nat", "lb/tc_nat": "nat",
}

// A fuzzRig is a loaded object with one service for each family and protocol, each with one real of its family.
type fuzzRig struct {
	*ebpf.Collection
	prog *ebpf.Program
	name string
	ref  reference
	open bool // the flows of fuzzPort are under way, and no others
}

// A fuzzLab is all objects, and a network namespace without links but loopback in which they run: the routing table
// knows no way to anywhere, so what is translated is left to the kernel.
type fuzzLab struct {
	scenes [2]*scene // of IPv4 and IPv6
	reals  [2]netip.AddrPort
	rigs   []*fuzzRig
	home   int // namespace of the process
	space  int // namespace in which programs run
}

const fuzzMTU = 1500

func newFuzzLab(tb testing.TB) *fuzzLab {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("needs root to load BPF programs")
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		tb.Fatal(err)
	}
	l := &fuzzLab{}
	if err := l.enter(tb); err != nil {
		tb.Fatal(err)
	}
	for i := range l.scenes {
		_, j := newModel("dsr", i == 1, broken{})
		l.scenes[i] = j.sc
		l.reals[i] = j.sc.tcp.Backends[0].Addr
	}
	for name, class := range fuzzObjects {
		r := &fuzzRig{name: name}
		if err := r.load(l); err != nil {
			tb.Fatalf("load %s: %+v", name, err)
		}
		tb.Cleanup(r.Close)
		r.ref = reference{class: class, mac: l.scenes[0].balancer.MAC, mtu: fuzzMTU, services: map[tuple]bool{}, known: map[tuple]decision{}}
		for i, sc := range l.scenes {
			for _, proto := range []byte{protoTCP, protoUDP} {
				r.ref.services[tuple{to: sc.tcp.VIP, proto: proto}] = true
				if class != "nat" {
					continue
				}
				client := netip.AddrPortFrom(clientAddr(i == 1), fuzzPort)
				r.ref.known[tuple{client, sc.tcp.VIP, proto}] = decideSend
				r.ref.known[tuple{netip.AddrPortFrom(l.reals[i].Addr(), 8080), client, proto}] = decideBack
			}
		}
		l.rigs = append(l.rigs, r)
	}
	return l
}

// load loads the object and fills its maps, which have the layout of bpf/include/lb.h.
func (r *fuzzRig) load(l *fuzzLab) error {
	spec, err := bpf.Open(r.name)
	if err != nil {
		return err
	}
	balancer := l.scenes[0].balancer
	ncpu := uint32(ebpf.MustPossibleCPU())
	cfg := abi.LBConfig{Seed: 7, Ifindex: 1, MTU: 1600, ClientMTU: fuzzMTU, NCPU: ncpu, MAC: [6]byte(balancer.MAC),
		Addr4: balancer.Addr4.Addr().As4(), Addr6: balancer.Addr6.Addr().As16()}
	entries := uint32(64)
	for name, m := range spec.Maps {
		switch {
		case m.Type == ebpf.LRUHash:
			entries, m.MaxEntries = 4096, 4096
		case name == "flows":
			m.MaxEntries = entries / 8 * ncpu
		}
	}
	if err := errors.Join(spec.Variables["cfg"].Set(cfg), spec.Variables["flow_entries"].Set(entries)); err != nil {
		return err
	}
	if r.Collection, err = ebpf.NewCollection(spec); err != nil {
		return err
	}
	for _, r.prog = range r.Programs {
	}
	var errs []error
	put := func(name string, key, value any) {
		if m := r.Maps[name]; m != nil {
			errs = append(errs, m.Put(key, value))
		}
	}
	type vip struct{ Size, Line, Flags, Generation uint32 }
	for i, sc := range l.scenes {
		real := struct {
			Addr  [16]byte
			MAC   [6]byte
			Port  [2]byte
			Flags uint32
			_     uint32
		}{MAC: [6]byte(sc.tcp.Backends[0].MAC), Port: [2]byte{0x1f, 0x90}, Flags: uint32(i)} // 1: IPv6
		copy(real.Addr[:], l.reals[i].Addr().AsSlice())
		put("reals", uint32(i), real)
		var line [32]uint16
		for s := range line {
			line[s] = uint16(i) | 0xc000 // tracked, if the object asks
		}
		for n := range uint32(32) {
			put("rings", uint32(32*i)+n, line)
		}
		for _, proto := range []byte{protoTCP, protoUDP} {
			v := vip{1021, uint32(32 * i), 0, 1}
			port := [2]byte{0, byte(sc.tcp.VIP.Port())}
			if i == 0 {
				put("vips4", struct {
					A [4]byte
					P [2]byte
					B [2]byte
				}{sc.tcp.VIP.Addr().As4(), port, [2]byte{proto}}, v)
			} else {
				put("vips6", struct {
					A [16]byte
					P [2]byte
					B [2]byte
				}{sc.tcp.VIP.Addr().As16(), port, [2]byte{proto}}, v)
			}
		}
	}
	put("generations", uint32(1), [2]uint32{1, 0})
	return errors.Join(errs...)
}

// run gives a frame to the program. ok is false where the kernel does not run it with so short a frame.
func (r *fuzzRig) run(frame []byte) (verdict string, out []byte, ok bool, err error) {
	opts := ebpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+256)}
	if len(frame) < 14 {
		return "", nil, false, nil
	}
	code, err := r.prog.Run(&opts)
	names := map[uint32]string{1: "drop", 2: "pass", 3: "send", 4: "send"}
	if r.prog.Type() == ebpf.SchedCLS {
		names = map[uint32]string{2: "drop", 1<<32 - 1: "pass", 7: "send"}
		if errors.Is(err, unix.EINVAL) && len(frame) < 14+40 {
			return "", nil, false, nil
		}
	}
	return names[code], opts.DataOut, true, err
}

// forget empties the flow tables of a translator.
func (r *fuzzRig) forget(t testing.TB) {
	for name, m := range r.Maps {
		if m.Type() != ebpf.LRUHash || !strings.HasPrefix(name, "flows") {
			continue
		}
		for {
			key, err := m.NextKeyBytes(nil)
			if err != nil {
				t.Fatal(err)
			}
			if key == nil {
				break
			}
			if err := m.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				t.Fatal(err)
			}
		}
	}
}

// enter makes the namespace.
func (l *fuzzLab) enter(tb testing.TB) (err error) {
	const self = "/proc/thread-self/ns/net"
	if l.home, err = unix.Open(self, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	tb.Cleanup(func() { unix.Close(l.home) })
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends here
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			l.space, err = unix.Open(self, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		made <- err
	}()
	if err := <-made; err != nil {
		return fmt.Errorf("make network namespace: %w", err)
	}
	tb.Cleanup(func() { unix.Close(l.space) })
	return nil
}

// do runs f in the namespace, on the thread that it is called on: to wake another one for each frame takes longer than
// all objects do.
func (l *fuzzLab) do(f func()) error {
	runtime.LockOSThread()
	if err := unix.Setns(l.space, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace: %w", err)
	}
	defer func() {
		if unix.Setns(l.home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread() // else the thread ends with its goroutine
		}
	}()
	f()
	return nil
}
