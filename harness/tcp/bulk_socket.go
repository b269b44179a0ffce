// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

const (
	bulkRoom   = 256 << 20 // send and receive buffers, bytes: neither limits any flow here
	bulkPeriod = 1 << 20   // period of the data, bytes
	bulkFirst  = 1 << 18   // first data of a sender, and least unsent data in its buffer, bytes
	bulkLowest = 1 << 20   // unread data up to which the kernel acknowledges at once, bytes
)

// bulkData is the data of all flows: a file in memory, so that the kernel sends its pages without copying them.
type bulkData struct {
	fd     int
	bytes  []byte // nil unless received data are compared
	buffer []byte
}

func newBulkData(seed uint64, verify bool) (*bulkData, error) {
	fd, err := unix.MemfdCreate("kxlab-bulk", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make file in memory: %w", err)
	}
	d := &bulkData{fd: fd}
	b := make([]byte, bulkPeriod)
	rng := rand.NewPCG(seed, 0x6b78)
	for i := 0; i < len(b); i += 8 {
		*(*uint64)(unsafe.Pointer(&b[i])) = rng.Uint64()
	}
	if n, err := unix.Pwrite(fd, b, 0); err != nil || n != len(b) {
		unix.Close(fd)
		return nil, fmt.Errorf("fill file in memory: %d of %d bytes: %w", n, len(b), err)
	}
	if verify {
		d.bytes, d.buffer = b, make([]byte, 256<<10)
	}
	return d, nil
}

// stream makes a TCP socket of a host that uses an algorithm, with large buffers.
func stream(h *netlab.Host, algorithm string) (fd int, err error) {
	err = h.Do(func() error {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	err = setAlgorithm(fd, algorithm)
	for _, o := range []int{unix.SO_SNDBUFFORCE, unix.SO_RCVBUFFORCE} {
		if err == nil {
			err = harness.Wrap(unix.SetsockoptInt(fd, unix.SOL_SOCKET, o, bulkRoom), "set socket buffer")
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// setAlgorithm sets a socket's congestion control and reads it back. If the kernel does not have the algorithm, the error
// wraps harness.ErrNotSupported.
func setAlgorithm(fd int, algorithm string) error {
	err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, algorithm)
	if errors.Is(err, unix.ENOENT) {
		return harness.Skip("the kernel has no congestion control %s", algorithm)
	}
	if err != nil {
		return fmt.Errorf("set congestion control %s: %w", algorithm, err)
	}
	if got, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION); err != nil || got != algorithm {
		return fmt.Errorf("set congestion control %s: the socket has %q (%v)", algorithm, got, err)
	}
	return nil
}

// listenWith makes a listener whose connections use an algorithm, for algorithms with work at the receiver (DCTCP's echo of
// marks).
func listenWith(h *netlab.Host, at netip.Addr, algorithm string) (int, netip.AddrPort, error) {
	fd, own, err := bound(h, at, algorithm, func(fd int) error { return unix.Listen(fd, 4096) })
	return fd, own, harness.Wrap(err, "listen at %s", at)
}

// dialWith begins to connect and returns the connection's own address.
func dialWith(h *netlab.Host, from netip.Addr, to netip.AddrPort, algorithm string) (int, netip.AddrPort, error) {
	fd, own, err := bound(h, from, algorithm, func(fd int) error {
		err := unix.Connect(fd, sockaddr(to))
		if errors.Is(err, unix.EINPROGRESS) {
			return nil
		}
		return err
	})
	return fd, own, harness.Wrap(err, "connect %s to %s", from, to)
}

// bound makes a socket that is bound to an address, calls use with it and returns the socket's own address.
func bound(h *netlab.Host, at netip.Addr, algorithm string, use func(fd int) error) (int, netip.AddrPort, error) {
	fd, err := stream(h, algorithm)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	err = unix.Bind(fd, sockaddr(netip.AddrPortFrom(at, 0)))
	if err == nil {
		err = use(fd)
	}
	var own unix.Sockaddr
	if err == nil {
		own, err = unix.Getsockname(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, netip.AddrPort{}, err
	}
	return fd, addrPort(own), nil
}

// fill gives a sender so many bytes, at most the rest of its size.
func (r *bulkRun) fill(f *bulkFlow, want int64) error {
	if f.Size > 0 {
		want = min(want, f.Size-f.sent)
	}
	for want > 0 {
		offset := f.sent % bulkPeriod
		n, err := unix.Sendfile(f.send, r.data.fd, &offset, int(min(want, bulkPeriod-f.sent%bulkPeriod)))
		if n > 0 {
			f.sent, want = f.sent+int64(n), want-int64(n)
		}
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
		case err != nil:
			f.Wrong, f.done = fmt.Sprintf("broken after %d bytes: %v", f.sent, err), true
			return nil
		case n == 0:
			return errors.New("send: sendfile sent 0 bytes without an error")
		}
	}
	return nil
}

// drain receives all data that have arrived.
func (r *bulkRun) drain(f *bulkFlow, now time.Duration) {
	for {
		n, err := r.receive(f)
		if n > 0 {
			f.read += int64(n)
			if f.Size > 0 && f.read >= f.Size && !f.done {
				f.Completed, f.done = now-f.dialled, true
				_ = unix.EpollCtl(r.epoll, unix.EPOLL_CTL_DEL, f.recv, nil)
				return
			}
		}
		if err != nil || n <= 0 || r.data.bytes == nil {
			if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
				f.Wrong, f.done = fmt.Sprintf("broken after %d bytes: %v", f.read, err), true
			}
			return
		}
	}
}

// receive reads once and compares the data with Verify; without, the kernel discards them in its buffer.
func (r *bulkRun) receive(f *bulkFlow) (int, error) {
	if r.data.bytes == nil {
		// With MSG_TRUNC, TCP discards data and needs no buffer.
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(f.recv), 0, 1<<30, unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
		if errno != 0 {
			return 0, errno
		}
		return int(n), nil
	}
	n, _, err := unix.Recvfrom(f.recv, r.data.buffer, unix.MSG_DONTWAIT)
	for i := 0; i < n; {
		at := (f.read + int64(i)) % bulkPeriod
		part := min(n-i, int(bulkPeriod-at))
		if string(r.data.buffer[i:i+part]) != string(r.data.bytes[at:int(at)+part]) {
			f.Wrong = fmt.Sprintf("data were changed on the way, between bytes %d and %d", f.read+int64(i), f.read+int64(i+part))
		}
		i += part
	}
	return n, err
}

// epollWait waits for at most d, to the nanosecond.
func epollWait(fd int, events []unix.EpollEvent, d time.Duration) (int, error) {
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// tcpInfo reads the kernel's state of a connection.
func tcpInfo(fd int, into *unix.TCPInfo) error {
	size := uint32(unsafe.Sizeof(*into))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(into)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// sample adds a sample of the sender, and returns how many bytes the sender lacks in its buffer.
func (f *bulkFlow) sample(now time.Duration) (int64, error) {
	var i unix.TCPInfo
	if err := tcpInfo(f.send, &i); err != nil {
		return 0, err
	}
	const established, closeWait = 1, 8
	if i.State != established && i.State != closeWait {
		return 0, fmt.Errorf("connection has closed (state %d)", i.State)
	}
	f.Samples = append(f.Samples, FlowSample{
		At: now, RTT: time.Duration(i.Rtt) * time.Microsecond, Window: i.Snd_cwnd, Threshold: i.Snd_ssthresh,
		Acked: i.Bytes_acked, Sent: i.Bytes_sent, Resent: i.Bytes_retrans, Delivered: i.Delivered, Marked: i.Delivered_ce,
		PacingRate: i.Pacing_rate,
	})
	// Enough for four intervals at the present rate, and for a window that doubles.
	want := max(bulkFirst, int64(i.Delivery_rate)/25, int64(i.Snd_cwnd)*int64(i.Snd_mss))
	return want - int64(i.Notsent_bytes), nil
}

// finish compares the acknowledged bytes of the sender with those of the receiver: the SYN counts as one byte.
func (f *bulkFlow) finish() {
	var sender, receiver unix.TCPInfo
	if tcpInfo(f.send, &sender) != nil {
		return
	}
	f.Segment = int(sender.Snd_mss)
	if f.recv < 0 || tcpInfo(f.recv, &receiver) != nil {
		return
	}
	f.Received = int64(receiver.Bytes_received)
	f.Lost = max(0, int64(sender.Bytes_acked)-1-f.Received)
}

// bucket ends a bucket.
func (f *bulkFlow) bucket() {
	var n int64
	var i unix.TCPInfo
	switch {
	case f.recv >= 0 && tcpInfo(f.recv, &i) == nil:
		n = int64(i.Bytes_received)
	case f.recv >= 0:
		n = f.read
	}
	f.Buckets = append(f.Buckets, n-f.counted)
	f.counted, f.Received = n, n
}
