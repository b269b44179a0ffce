// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/netlab"
)

// Loopback sends over the host's loopback device with an algorithm, at full speed for a time d, and returns the number of
// received bytes and the exact time.
func Loopback(ctx context.Context, h *netlab.Host, algorithm string, d time.Duration) (bytes int64, took time.Duration, err error) {
	lo := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	listener, at, err := listenWith(h, lo, algorithm)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(listener)
	send, _, err := dialWith(h, lo, at, algorithm)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(send)
	if err := waitReadable(listener); err != nil {
		return 0, 0, fmt.Errorf("wait for the connection over loopback: %w", err)
	}
	recv, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	if err != nil {
		return 0, 0, fmt.Errorf("accept over loopback: %w", err)
	}
	defer unix.Close(recv)
	if err := unix.SetNonblock(send, false); err != nil {
		return 0, 0, fmt.Errorf("make socket blocking: %w", err)
	}
	limit := unix.NsecToTimeval(int64(100 * time.Millisecond))
	for _, o := range []struct{ fd, name int }{{send, unix.SO_SNDTIMEO}, {recv, unix.SO_RCVTIMEO}} {
		if err := unix.SetsockoptTimeval(o.fd, unix.SOL_SOCKET, o.name, &limit); err != nil {
			return 0, 0, fmt.Errorf("set timeout: %w", err)
		}
	}
	start := time.Now()
	ctx, cancel := context.WithDeadline(ctx, start.Add(d))
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		chunk := make([]byte, 256<<10)
		for ctx.Err() == nil {
			if _, err := unix.Write(send, chunk); err != nil && err != unix.EAGAIN && err != unix.EINTR {
				return
			}
		}
	}()
	buffer := make([]byte, 256<<10)
	for ctx.Err() == nil {
		if n, _ := unix.Read(recv, buffer); n > 0 {
			bytes += int64(n)
		}
	}
	took = time.Since(start)
	<-done
	return bytes, took, nil
}

// waitReadable waits until a socket is readable, at most one second.
func waitReadable(fd int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1000)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		default:
			return nil
		}
	}
}
