// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/sys"
)

// A ccFlow is a connection over the path whose receiver counts and checks what arrives.
type ccFlow struct {
	conn *net.TCPConn
	sent int64
	got  atomic.Int64
	done chan error // what ended the receiver; nil: the sender's end
}

// pattern is what flows carry, over and over.
var pattern = func() []byte {
	b := make([]byte, 251*257) // no power of two divides it
	for i := range b {
		b[i] = byte(i * 31 / 7)
	}
	return b
}()

// withCC asks for an algorithm on a socket before it connects or listens.
func withCC(algorithm string) func(_, _ string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) {
			err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, algorithm)
		}); cerr != nil {
			return cerr
		}
		return err
	}
}

// flow opens a connection under the algorithm, at both ends.
func (p *ccPath) flow(t testing.TB, algorithm string) *ccFlow {
	t.Helper()
	f, err := p.open(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.conn.Close() })
	return f
}

func (p *ccPath) open(algorithm string) (*ccFlow, error) {
	f, in, err := p.connect(algorithm)
	if err != nil {
		return nil, err
	}
	go f.receive(in)
	return f, nil
}

// connect opens a connection whose receiver is left to the caller.
func (p *ccPath) connect(algorithm string) (*ccFlow, net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var lis net.Listener
	if err := sys.InNS(p.receiver, func() (err error) {
		lc := net.ListenConfig{Control: withCC(algorithm)}
		lc.SetMultipathTCP(false)
		lis, err = lc.Listen(ctx, "tcp4", p.addr+":0")
		return err
	}); err != nil {
		return nil, nil, err
	}
	defer lis.Close()
	f := &ccFlow{done: make(chan error, 1)}
	if err := sys.InNS(p.sender, func() error {
		d := net.Dialer{Control: withCC(algorithm)}
		d.SetMultipathTCP(false)
		c, err := d.DialContext(ctx, "tcp4", lis.Addr().String())
		if err == nil {
			f.conn = c.(*net.TCPConn)
		}
		return err
	}); err != nil {
		return nil, nil, err
	}
	in, err := lis.Accept()
	if err != nil {
		f.conn.Close()
		return nil, nil, err
	}
	return f, in, nil
}

func (f *ccFlow) receive(in net.Conn) {
	defer in.Close()
	buf, at := make([]byte, len(pattern)), 0
	for {
		n, err := in.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			m := min(len(rest), len(pattern)-at)
			if !bytes.Equal(rest[:m], pattern[at:at+m]) {
				f.done <- fmt.Errorf("wrong bytes near %d", f.got.Load())
				return
			}
			rest, at = rest[m:], (at+m)%len(pattern)
		}
		f.got.Add(int64(n))
		if err == io.EOF {
			err = nil
			f.done <- nil
			return
		}
		if err != nil {
			f.done <- err
			return
		}
	}
}

// send writes n bytes.
func (f *ccFlow) send(n int64) error {
	for n > 0 {
		at := f.sent % int64(len(pattern))
		m, err := f.conn.Write(pattern[at:min(int64(len(pattern)), at+n)])
		f.sent += int64(m)
		n -= int64(m)
		if err != nil {
			return err
		}
	}
	return nil
}

// finish ends the flow and returns an error unless all that was sent has arrived.
func (f *ccFlow) finish() error {
	if err := f.conn.CloseWrite(); err != nil {
		return err
	}
	select {
	case err := <-f.done:
		if err != nil {
			return err
		}
	case <-time.After(30 * time.Second):
		return errors.New("the end did not arrive within 30 s")
	}
	if got := f.got.Load(); got != f.sent {
		return fmt.Errorf("%d bytes arrived of %d", got, f.sent)
	}
	return f.conn.Close()
}

// info reads what the kernel knows of the sender.
func (f *ccFlow) info(t testing.TB) *unix.TCPInfo {
	t.Helper()
	var info *unix.TCPInfo
	f.control(t, func(fd int) (err error) {
		info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	return info
}

func (f *ccFlow) control(t testing.TB, do func(fd int) error) {
	t.Helper()
	raw, err := f.conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if cerr := raw.Control(func(fd uintptr) { err = do(int(fd)) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
}

// quiet waits until everything sent is acknowledged, and returns the state then.
func (f *ccFlow) quiet(t testing.TB) *unix.TCPInfo {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if i := f.info(t); i.Unacked == 0 && i.Notsent_bytes == 0 {
			return i
		}
	}
	t.Fatal("what was sent is not acknowledged after 10 s")
	return nil
}
