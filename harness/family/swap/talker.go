// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"encoding/binary"
	"fmt"

	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/packets"
	"github.com/kxlab/kxlab/harness/sys"
)

// A talker sends the numbered packets from a socket of a thread in the member's cgroup: what the generator sends belongs to no socket,
// and programs at cgroups do not see it.
type talker struct {
	host   *netlab.Host
	cgroup string
	// shares says that the replacing thread has the same CPU. The talker then sleeps after each packet, and takes the CPU back in the
	// middle of a replacement: as an equal it would run between replacements alone.
	shares bool
}

// sharedPause is the sleep after each packet.
const sharedPause = 20 * time.Microsecond

// Run sends a number of packets from one CPU. If ctx ends first, it returns what was sent until then with ctx's error.
func (t *talker) Run(ctx context.Context, cpu int, limit uint64) (sent packets.Transmission, err error) {
	sys.OnThread(func() {
		err = t.host.Do(func() error {
			if err := sys.Pin(0, cpu); err != nil {
				return err
			}
			if err := netlab.JoinCgroup(t.cgroup); err != nil {
				return err
			}
			if t.shares {
				if err := sys.SetAlone(); err != nil {
					return err
				}
			}
			sent, err = t.talk(ctx, limit)
			return err
		})
	})
	return sent, err
}

// Close does nothing: the thread ends with its run.
func (t *talker) Close() error { return nil }

// talk sends on the calling thread.
func (t *talker) talk(ctx context.Context, limit uint64) (sent packets.Transmission, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return sent, fmt.Errorf("make socket of packets: %w", err)
	}
	defer unix.Close(fd)
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1) // as of the generator: the stamp changes on the way
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: abi.SwapPort, Addr: netlab.VIP(4, 0).As4()})
	}
	if err != nil {
		return sent, fmt.Errorf("prepare socket of packets: %w", err)
	}
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	var payload stamp
	begin := monotonic()
	last := begin
	for sent.Packets < limit && !stop.Load() {
		now := monotonic()
		if now-last > abi.SwapPause {
			sent.Missed += time.Duration(now - last)
		}
		last = now
		if _, err := unix.Write(fd, payload.number(sent.Packets, now, uint64(sent.Missed))); err != nil {
			return sent, fmt.Errorf("send packet %d: %w", sent.Packets, err)
		}
		sent.Packets++
		if t.shares {
			sleep := unix.NsecToTimespec(int64(sharedPause))
			_ = unix.Nanosleep(&sleep, nil) // one that a signal ends is shorter
		}
	}
	sent.Accepted, sent.Bytes, sent.Elapsed = sent.Packets, sent.Packets*frameSize, time.Duration(last-begin)
	return sent, ctx.Err()
}

// A stamp is the payload of a packet: struct swap_stamp (bpf/include/swap.bpf.h) and what fills the frame.
type stamp [frameSize - abi.SwapAt]byte

// number is the payload of a packet: its number, when it was sent, and for how long the sender has paused so far, both in ns. No version
// has seen it.
func (s *stamp) number(seq, now, paused uint64) []byte {
	binary.NativeEndian.PutUint64(s[0:], seq)
	binary.NativeEndian.PutUint64(s[8:], now)
	binary.NativeEndian.PutUint64(s[24:], paused)
	return s[:]
}
