// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// FuzzObjects gives frames to every object that balances packets and compares what becomes of each, verdict and bytes,
// with the slow reference. An input is a good frame and edits of it (scene.edit): any field, any length, options,
// extension headers, fragments, tags. Fuzzing begins with few inputs, because it runs each of them by itself before it
// makes others, which costs a hundred times as much as the frame; TestObjects has many.
func FuzzObjects(f *testing.F) {
	l := newFuzzLab(f)
	for base := range byte(24) {
		f.Add(base, []byte{})
		f.Add(base, []byte{base % 16, base, base * 37, base, 8, 0, 0, 0})
	}
	f.Fuzz(l.give)
}

// TestObjects is the fixed corpus of FuzzObjects: every base frame with each kind of edit in eight places.
func TestObjects(t *testing.T) {
	l := newFuzzLab(t)
	for base := range byte(24) {
		l.give(t, base, nil)
		for op := range byte(16) {
			for n := range byte(8) {
				l.give(t, base, []byte{op, n, n * 37, n, 8, 0, 0, 0})
			}
		}
	}
}

// give makes a frame of an input and gives it to every object.
func (l *fuzzLab) give(t *testing.T, base byte, edits []byte) {
	family := int(base) % 2
	sc, real := l.scenes[family], l.reals[family]
	sc.next = fuzzPort - firstPort
	frames := sc.baseFrames(real)
	frame := sc.edited(frames[int(base)/2%len(frames)], edits, real)
	err := l.do(func() {
		for _, r := range l.rigs {
			if err := l.compare(t, r, frame); err != nil {
				t.Errorf("%s: %v\nframe %x", r.name, err, frame)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compare gives one frame to one object. A translator knows the flows of fuzzPort before it comes.
func (l *fuzzLab) compare(t *testing.T, r *fuzzRig, frame []byte) error {
	if r.ref.class == "nat" && !r.open {
		r.forget(t)
		r.open = true
		for i, sc := range l.scenes {
			client := netip.AddrPortFrom(clientAddr(i == 1), fuzzPort)
			for _, f := range [][]byte{sc.tcpTo(client, sc.tcp.VIP, tcpSYN, ""), sc.udpTo(client, sc.tcp.VIP, "")} {
				if _, _, _, err := r.run(f); err != nil {
					return err
				}
			}
		}
	}
	verdict, out, ok, err := r.run(frame)
	if err != nil || !ok {
		return err
	}
	want := r.ref.decide(frame)
	if want == decideSend {
		r.open = !r.ref.fresh
	}
	verdicts := map[decision]string{decidePass: "pass", decideDrop: "drop", decideSend: "send", decideAnswer: "send"}
	if r.ref.class == "nat" { // the routing table knows no way
		verdicts[decideSend], verdicts[decideBack], verdicts[decideError] = "pass", "pass", "pass"
	}
	if verdict != verdicts[want] {
		return fmt.Errorf("%s, want %s (%s)", verdict, verdicts[want], want)
	}
	switch {
	case want == decideDrop:
		return nil
	case want == decidePass:
		return same("frame", frame, out)
	}
	in, err := parse(frame)
	if err != nil {
		return fmt.Errorf("the reference takes what cannot be parsed: %w", err)
	}
	got, err := parse(out)
	if err != nil {
		return fmt.Errorf("sent a malformed frame: %w: %x", err, out)
	}
	return l.compareSent(r, want, in, got)
}

// compareSent compares what was made of a packet with what its class makes of it.
func (l *fuzzLab) compareSent(r *fuzzRig, want decision, in, got packet) error {
	family := map[bool]int{false: 0, true: 1}[in.ip[0]>>4 == 6]
	sc := l.scenes[family]
	to := service.Backend{Addr: l.reals[family], MAC: sc.tcp.Backends[0].MAC}
	if r.ref.class != "nat" {
		dst := to.MAC
		if want == decideAnswer {
			dst = in.src
		}
		if !bytes.Equal(got.src, sc.balancer.MAC) || !bytes.Equal(got.dst, dst) {
			return fmt.Errorf("sent from %s to %s, want %s to %s", got.src, got.dst, sc.balancer.MAC, dst)
		}
		if want == decideAnswer {
			if got.to.Addr() != in.from.Addr() || got.from.Addr() != in.to.Addr() {
				return fmt.Errorf("the answer goes from %s to %s", got.from, got.to)
			}
			return checkTooBig(got, family == 1, fuzzMTU)
		}
		return expectations()[r.ref.class](in, got, to)
	}
	// As it was left to the kernel, which counts the hop.
	if in.ttl != got.ttl {
		return fmt.Errorf("time to live %d, want %d", got.ttl, in.ttl)
	}
	header := func(p packet) error {
		if family == 0 && fold(sum(0, p.ip[:20])) != 0 {
			return errors.New("wrong header checksum")
		}
		return nil
	}
	if (header(in) == nil) != (header(got) == nil) {
		return fmt.Errorf("header checksum: %v before, %v behind", header(in), header(got))
	}
	to.Addr = netip.AddrPortFrom(to.Addr.Addr(), 8080)
	switch want {
	case decideSend:
		got.ip = routed(got.ip)
		got.segment = got.ip[len(got.ip)-len(got.segment):]
		return expectNAT(in, got, to)
	case decideBack:
		if got.from != sc.tcp.VIP || got.to != in.to {
			return fmt.Errorf("goes from %s to %s, want %s to %s", got.from, got.to, sc.tcp.VIP, in.to)
		}
		if in.transportChecksum() == nil {
			return got.transportChecksum()
		}
	case decideError:
		q, is := in.quoted(), got.quoted()
		if q == nil || is == nil {
			return fmt.Errorf("quotes %v, want what it quoted before, translated", is)
		}
		if q.from == sc.tcp.VIP { // about an answer: the real must know it again
			if is.from != to.Addr || got.to.Addr() != to.Addr.Addr() || is.to != q.to {
				return fmt.Errorf("quotes a packet from %s to %s, for %s", is.from, is.to, got.to)
			}
		} else if is.to != sc.tcp.VIP || got.to != in.to || is.from != q.from {
			return fmt.Errorf("quotes a packet from %s to %s, for %s", is.from, is.to, got.to)
		}
		if in.transportChecksum() == nil {
			return got.transportChecksum()
		}
	}
	return nil
}
