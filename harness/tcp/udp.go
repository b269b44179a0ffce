// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// datagrams answers requests over UDP, each from the destination of the request.
func (l *serverLoop) datagrams(fd int, s *serverSock) {
	var oob [128]byte
	for range 64 {
		n, oobn, _, from, err := unix.Recvmsg(fd, l.buf[:maxDatagram], oob[:], 0)
		if err != nil {
			return
		}
		req, err := parseRequest(l.buf[:n])
		if err != nil || req.size != n || req.response > maxDatagram {
			continue // not a request of the lab
		}
		out := l.buf[maxDatagram:][:req.response]
		putResponse(out, s.real, checksum(l.buf[:n]), req.seq)
		_ = unix.Sendmsg(fd, out, replyInfo(oob[:oobn]), from, 0) // the client counts lost responses
	}
}

// replyInfo turns the packet info of a request into that of its response.
func replyInfo(oob []byte) []byte {
	if len(oob) < unix.SizeofCmsghdr {
		return nil
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	data := oob[unix.CmsgLen(0):]
	switch {
	case h.Level == unix.SOL_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0]))
		info.Spec_dst, info.Ifindex = info.Addr, 0
	case h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		(*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Ifindex = 0
	}
	return oob
}

// A udpClient sends requests over one socket, which is either connected or given the VIP with every send.
type udpClient struct {
	fd        int
	to        unix.Sockaddr
	vip       netip.AddrPort
	connected bool
	buf       []byte
}

// exchange sends one request and waits for its response; it ignores late responses to earlier requests. The response must come
// from the VIP, not from the real's own address.
func (c *udpClient) exchange(stop func() bool, seq uint32, request, response int, timeout time.Duration) (real int, err error) {
	req := c.buf[:request]
	putRequest(req, seq, response)
	sum := checksum(req)
	if c.connected {
		_, err = unix.Write(c.fd, req)
	} else {
		err = unix.Sendto(c.fd, req, 0, c.to)
	}
	if err != nil {
		return 0, fmt.Errorf("send request: %w", err)
	}
	var late grace
	deadline := time.Now().Add(timeout)
	in := c.buf[maxDatagram:]
	for {
		n, from, err := unix.Recvfrom(c.fd, in, 0)
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
			if stop() || late.over(deadline, timeout) {
				return 0, fmt.Errorf("read response: %w", errTimeout)
			}
			continue
		case err != nil:
			return 0, fmt.Errorf("read response: %w", err)
		case n != response || binary.BigEndian.Uint32(in[8:]) != seq:
			continue
		}
		if got := addrPort(from); got != c.vip {
			return 0, fmt.Errorf("response from %s, want %s", got, c.vip)
		}
		return checkResponse(in[:n], seq, sum)
	}
}
