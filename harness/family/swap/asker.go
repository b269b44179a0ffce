// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// answerTime is the longest wait for a connection, and for an answer: longer than the kernel's first retransmission.
const answerTime = 3 * time.Second

// An asker is one client. Its thread blocks in system calls.
type asker struct {
	to   netip.AddrPort
	keep bool // one connection for all requests
	book *book

	wire  *wire  // the connection that is kept; nil: none
	since uint64 // when the first of the requests began that were not answered since the last that was, ns; 0: all were
}

// run sends requests until halt. An error is one of this machine, not of the program.
func (a *asker) run(halt *atomic.Bool) error {
	pause := shortPause
	if a.keep {
		pause = keptPause
	}
	defer a.hangUp()
	for !halt.Load() {
		if err := a.ask(); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return nil
}

// ask sends one request and notes what became of it. A client that gets no answer asks again, as browsers do: the wait counts from its first
// attempt.
func (a *asker) ask() error {
	if a.wire != nil && a.wire.closed() {
		a.hangUp()
	}
	number, newest := a.book.send()
	if a.since == 0 {
		a.since = monotonic()
	}
	body, several, err := a.exchange(number)
	if err != nil {
		a.hangUp()
		f, ok := fateOf(err)
		if ok {
			a.book.fail(f)
			return nil
		}
		return fmt.Errorf("request %d to %s: %w", number, a.to, err)
	}
	a.book.answer(versionOf(body, number), several, newest, monotonic()-a.since)
	a.since = 0
	return nil
}

// fateOf is what became of a request whose exchange failed; false if the error is this machine's.
func fateOf(err error) (fate, bool) {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return refused, true
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return reset, true
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINPROGRESS), errors.Is(err, unix.ETIMEDOUT):
		return silent, true
	}
	return 0, false
}

// versionOf is the version in the body of an answer to a request: "VERSION NUMBER"; 0 if that is not its body.
func versionOf(body []byte, number uint64) uint32 {
	version, rest, _ := bytes.Cut(bytes.TrimSpace(body), []byte(" "))
	g, err := strconv.ParseUint(string(version), 10, 32)
	if err != nil || string(rest) != strconv.FormatUint(number, 10) {
		return 0
	}
	return uint32(g)
}

// exchange sends a request and returns the body of its answer, and whether more came than one answer.
func (a *asker) exchange(number uint64) (body []byte, several bool, err error) {
	if a.wire == nil {
		if a.wire, err = connect(a.to, nil); err != nil {
			return nil, false, err
		}
	}
	closing := "Connection: close\r\n"
	if a.keep {
		closing = ""
	}
	request := fmt.Appendf(nil, "GET /?n=%d HTTP/1.1\r\nHost: lab\r\n%s\r\n", number, closing)
	if err := a.wire.write(request); err != nil {
		return nil, false, err
	}
	answer, err := http.ReadResponse(a.wire.in, nil)
	if err == nil {
		body, err = io.ReadAll(answer.Body)
	}
	if err != nil {
		return nil, false, err
	}
	several = a.wire.in.Buffered() > 0
	if !a.keep || answer.Close {
		rest, _ := io.ReadAll(a.wire.in) // the answer is whole, however the connection ends
		several = several || len(rest) > 0
		a.hangUp()
	}
	return body, several, nil
}

// hangUp closes the connection that is kept, if there is one.
func (a *asker) hangUp() {
	if a.wire != nil {
		_ = unix.Close(a.wire.fd)
		a.wire = nil
	}
}

// A wire is a TCP connection whose calls block for answerTime at most.
type wire struct {
	fd int
	in *bufio.Reader
}

// connect opens a connection in the namespace of the calling thread. Before that prepare, which may be nil, gets the socket.
func connect(to netip.AddrPort, prepare func(fd int) error) (*wire, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket: %w", err)
	}
	limit := unix.NsecToTimeval(int64(answerTime))
	for _, option := range []int{unix.SO_SNDTIMEO, unix.SO_RCVTIMEO} {
		if err == nil {
			err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &limit)
		}
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil && prepare != nil {
		err = prepare(fd)
	}
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	w := &wire{fd: fd}
	w.in = bufio.NewReader(w)
	return w, nil
}

// Read reads what has come.
func (w *wire) Read(b []byte) (int, error) {
	n, err := unix.Read(w.fd, b)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return max(n, 0), err
}

func (w *wire) write(b []byte) error {
	n, err := unix.SendmsgN(w.fd, b, nil, nil, unix.MSG_NOSIGNAL)
	if err == nil && n < len(b) {
		err = unix.EAGAIN
	}
	return err
}

// closed reports whether the program has closed the connection, as far as this end knows.
func (w *wire) closed() bool {
	var b [1]byte
	_, _, err := unix.Recvfrom(w.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return !errors.Is(err, unix.EAGAIN)
}
