// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/sys"
)

// A ccPath is two namespaces with a cable between them, on which data packets can be dropped or marked. Every packet is
// one segment.
type ccPath struct {
	sender, receiver string // paths of the namespaces
	addr             string // of the receiver
	cfg              *ebpf.Map
}

// Keys of the path's settings.
const (
	pathDrop = uint32(iota) // so many data packets to be dropped from now on
	pathMark                // 1: data packets that may be are marked as having met congestion
	pathSettings
)

func newCCPath(t testing.TB) *ccPath {
	t.Helper()
	labtest.AsRoot(t)
	p := &ccPath{addr: "198.18.5.2"}
	var ends [2]netns.NsHandle
	done := make(chan error)
	go func() { // on a thread that is thrown away
		runtime.LockOSThread()
		done <- func() error {
			for i := range ends {
				if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
					return err
				}
				h, err := netns.Get()
				if err != nil {
					return err
				}
				ends[i] = h
				for path, value := range map[string]string{
					"tcp_slow_start_after_idle": "0", "tcp_no_metrics_save": "1", "tcp_ecn": "1",
				} {
					if err := os.WriteFile("/proc/sys/net/ipv4/"+path, []byte(value), 0o644); err != nil {
						return err
					}
				}
			}
			la := netlink.NewLinkAttrs() // the thread is in the receiver's namespace
			la.Name = "eth0"
			if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: la, PeerName: "eth1", PeerNamespace: netlink.NsFd(int(ends[0]))}); err != nil {
				return err
			}
			if err := ccUp("eth0", p.addr+"/24"); err != nil {
				return err
			}
			if err := netns.Set(ends[0]); err != nil {
				return err
			}
			return ccUp("eth1", "198.18.5.1/24")
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ends[0].Close(); ends[1].Close() })
	p.sender = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(ends[0]))
	p.receiver = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(ends[1]))
	p.watch(t)
	return p
}

// ccUp gives a link its address, takes segmentation off it and brings it up.
func ccUp(name, addr string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetGSOMaxSegs(l, 1); err != nil {
		return err
	}
	a, err := netlink.ParseAddr(addr)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(l, a); err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// watch puts a program where packets come in at the receiver that drops and marks them as the settings say.
func (p *ccPath) watch(t testing.TB) {
	t.Helper()
	var err error
	if p.cfg, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: pathSettings}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cfg.Close() })
	setting := func(key uint32) asm.Instructions { // r0 = its address
		return asm.Instructions{
			asm.StoreImm(asm.RFP, -4, int64(key), asm.Word),
			asm.LoadMapPtr(asm.R1, p.cfg.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "pass"),
		}
	}
	ins := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R1, asm.R6, 0, asm.Word), // len
		asm.JLT.Imm(asm.R1, 500, "pass"),
	}
	ins = append(ins, setting(pathMark)...)
	ins = append(ins,
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "unmarked"),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.FnSkbEcnSetCe.Call(),
	)
	drop := setting(pathDrop)
	drop[0] = drop[0].WithSymbol("unmarked")
	ins = append(ins, drop...)
	ins = append(ins,
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "pass"),
		asm.Add.Imm(asm.R1, -1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 2), // TCX_DROP
		asm.Return(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("pass"),
		asm.Return(),
	)
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: ins})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer prog.Close()
	var l link.Link
	if err := sys.InNS(p.receiver, func() error {
		dev, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		l, err = link.AttachTCX(link.TCXOptions{Interface: dev.Attrs().Index, Program: prog, Attach: ebpf.AttachTCXIngress})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func (p *ccPath) set(t testing.TB, key uint32, value uint64) {
	t.Helper()
	if err := p.cfg.Put(key, value); err != nil {
		t.Fatal(err)
	}
}

func (p *ccPath) setting(t testing.TB, key uint32) (value uint64) {
	t.Helper()
	if err := p.cfg.Lookup(key, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestCheckAxis: what is no number within the bounds is refused.
func TestCheckAxis(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "1000": true, "0": false, "1001": false, "nan": false, "inf": false, "x": false} {
		if err := (Family{}).CheckAxis("flows", value); (err == nil) != want {
			t.Errorf("flows=%s: %v", value, err)
		}
	}
}
