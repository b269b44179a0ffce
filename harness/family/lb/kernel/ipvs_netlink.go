// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// An ipvsSocket is a generic netlink socket to the IPVS of one namespace. It sends requests in batches: 10,000 services are
// 50,000 requests, and waiting for each answer would take most of the time.
type ipvsSocket struct {
	fd     int
	family uint16
	seq    uint32
	buf    []byte
}

const (
	// ipvsBatch is the number of requests in one message to the kernel. Only the last requests an acknowledgement; the
	// kernel answers failed requests in any case.
	ipvsBatch = 128
	// ipvsReceive is the size of the buffer for answers, bytes: the largest that the kernel uses for dumps.
	ipvsReceive = 32 << 10
	// ipvsTimeout is the time limit for one answer, seconds.
	ipvsTimeout = 10
	genlHeader  = 4
)

// openIPVS opens a socket in the namespace. Without IPVS the error wraps harness.ErrNotSupported and names a target.
func openIPVS(ns string) (*ipvsSocket, error) {
	s := &ipvsSocket{fd: -1, buf: make([]byte, ipvsReceive)}
	err := sys.InNS(ns, func() error {
		// Looking up the family makes the kernel load the module.
		family, err := netlink.GenlFamilyGet("IPVS")
		if errors.Is(err, unix.ENOENT) {
			return harness.Skip("this kernel has no IPVS (CONFIG_IP_VS, module ip_vs): run with --target exact or vm")
		}
		if err != nil {
			return fmt.Errorf("find netlink family IPVS: %w", err)
		}
		s.family = family.ID
		s.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
		return os.NewSyscallError("socket", err)
	})
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: ipvsTimeout}); err != nil {
		return nil, errors.Join(fmt.Errorf("set netlink timeout: %w", err), s.close())
	}
	return s, nil
}

func (s *ipvsSocket) close() error {
	if s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	return unix.Close(fd)
}

// do executes requests in order and returns the error of the first that the kernel refuses. The kernel still executes
// those after it in the same batch.
func (s *ipvsSocket) do(ctx context.Context, requests []ipvsRequest) error {
	for batch := range slices.Chunk(requests, ipvsBatch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.batch(batch); err != nil {
			return err
		}
	}
	return nil
}

func (s *ipvsSocket) batch(requests []ipvsRequest) error {
	first := s.seq + 1
	var out []byte
	for i := range requests {
		flags := uint16(unix.NLM_F_REQUEST)
		if i == len(requests)-1 {
			flags |= unix.NLM_F_ACK
		}
		out = s.message(out, &requests[i], flags)
	}
	if err := s.send(out); err != nil {
		return err
	}
	var failed error
	err := s.answers(func(h unix.NlMsghdr, body []byte) (done bool, err error) {
		if h.Type != unix.NLMSG_ERROR || len(body) < 4 || h.Seq-first >= uint32(len(requests)) {
			return false, nil
		}
		if errno := -int32(binary.NativeEndian.Uint32(body)); errno != 0 && failed == nil {
			failed = &ipvsError{requests[h.Seq-first], unix.Errno(errno)}
		}
		return h.Seq == s.seq, nil
	})
	return errors.Join(failed, err)
}

// dump requests a list and calls entry with the attributes of each entry.
func (s *ipvsSocket) dump(request ipvsRequest, entry func(attrs []byte) error) error {
	if err := s.send(s.message(nil, &request, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)); err != nil {
		return err
	}
	return s.answers(func(h unix.NlMsghdr, body []byte) (done bool, err error) {
		switch {
		case h.Seq != s.seq:
			return false, nil
		case h.Type == unix.NLMSG_DONE:
			return true, nil
		case h.Type == unix.NLMSG_ERROR:
			errno := unix.EIO
			if len(body) >= 4 {
				errno = unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
			}
			return true, &ipvsError{request, errno}
		case h.Type != s.family || len(body) < genlHeader:
			return false, nil
		}
		return false, entry(body[genlHeader:])
	})
}

// message appends a request with the next sequence number.
func (s *ipvsSocket) message(out []byte, r *ipvsRequest, flags uint16) []byte {
	s.seq++
	at := len(out)
	out = binary.NativeEndian.AppendUint32(out, 0)
	out = binary.NativeEndian.AppendUint16(out, s.family)
	out = binary.NativeEndian.AppendUint16(out, flags)
	out = binary.NativeEndian.AppendUint32(out, s.seq)
	out = binary.NativeEndian.AppendUint32(out, 0)
	out = append(out, r.command, ipvsVersion, 0, 0)
	out = r.attributes(out)
	binary.NativeEndian.PutUint32(out[at:], uint32(len(out)-at))
	return out
}

func (s *ipvsSocket) send(out []byte) error {
	if err := unix.Sendto(s.fd, out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send to IPVS: %w", err)
	}
	return nil
}

// answers calls each with every answer until that returns done or an error. Answers that arrive later have an old
// sequence number and are ignored.
func (s *ipvsSocket) answers(each func(h unix.NlMsghdr, body []byte) (done bool, err error)) error {
	for {
		n, _, err := unix.Recvfrom(s.fd, s.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for IPVS: %w", err)
		}
		for b := s.buf[:n]; len(b) >= unix.SizeofNlMsghdr; {
			h := unix.NlMsghdr{Len: binary.NativeEndian.Uint32(b), Type: binary.NativeEndian.Uint16(b[4:]), Seq: binary.NativeEndian.Uint32(b[8:])}
			if h.Len < unix.SizeofNlMsghdr || int(h.Len) > len(b) {
				return fmt.Errorf("read answer of IPVS: message of %d bytes in %d", h.Len, len(b))
			}
			done, err := each(h, b[unix.SizeofNlMsghdr:h.Len])
			if done || err != nil {
				return err
			}
			b = b[min(align4(int(h.Len)), len(b)):]
		}
	}
}

func align4(n int) int { return (n + 3) &^ 3 }

// An ipvsError is a request that the kernel refused.
type ipvsError struct {
	request ipvsRequest
	errno   unix.Errno
}

func (e *ipvsError) Error() string { return fmt.Sprintf("%s: %v", &e.request, e.errno) }
func (e *ipvsError) Unwrap() error { return e.errno }
