// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A tap sends frames into a balancer's link and captures all frames that the balancer sends, which then go no further.
// It sends on one CPU, because flow tables may be per CPU.
type tap struct {
	host   *netlab.Host
	fd     int // packet socket in the fabric
	coll   *ebpf.Collection
	reader *ringbuf.Reader
	cpus   unix.CPUSet // of the thread before openTap
}

// openTap attaches the capture program to the fabric's side of the host's link. It locks the calling goroutine to its
// thread until close.
func openTap(fabric, host *netlab.Host) (_ *tap, err error) {
	t := &tap{host: host, fd: -1}
	runtime.LockOSThread()
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	if err := unix.SchedGetaffinity(0, &t.cpus); err != nil {
		return nil, fmt.Errorf("read affinity: %w", err)
	}
	var one unix.CPUSet
	for cpu := range len(t.cpus) * 64 {
		if t.cpus.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return nil, fmt.Errorf("pin to one CPU: %w", err)
	}
	spec, err := bpf.Open("traffic/capture")
	if err != nil {
		return nil, err
	}
	if t.coll, err = ebpf.NewCollection(spec); err != nil {
		return nil, fmt.Errorf("load capture program: %w", err)
	}
	if t.reader, err = ringbuf.NewReader(t.coll.Maps["frames"]); err != nil {
		return nil, fmt.Errorf("open ring buffer: %w", err)
	}
	err = fabric.Do(func() error {
		t.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	if err := host.Port.SetXDP(t.coll.Programs["capture"]); err != nil {
		return nil, fmt.Errorf("attach capture program: %w", err)
	}
	return t, nil
}

// send puts one frame on the balancer's link.
func (t *tap) send(frame []byte) error {
	to := unix.SockaddrLinklayer{Ifindex: t.host.Port.Ifindex, Halen: 6}
	copy(to.Addr[:], frame)
	if len(frame) >= 14 {
		to.Protocol = binary.NativeEndian.Uint16(frame[12:])
	}
	if err := unix.Sendto(t.fd, frame, 0, &to); err != nil {
		return fmt.Errorf("send frame: %w", err)
	}
	return nil
}

// receive returns the next frame the balancer sent, or nil after the time.
func (t *tap) receive(wait time.Duration) ([]byte, error) {
	t.reader.SetDeadline(time.Now().Add(wait))
	record, err := t.reader.Read()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read captured frame: %w", err)
	}
	const header = 8
	n := int(binary.NativeEndian.Uint32(record.RawSample))
	if n > len(record.RawSample)-header {
		return nil, fmt.Errorf("captured frame of %d bytes is cut", n)
	}
	return record.RawSample[header : header+n], nil
}

// close restores the link and the thread.
func (t *tap) close() error {
	var errs []error
	if t.coll != nil {
		errs = append(errs, t.host.Port.SetXDP(nil))
	}
	if t.fd >= 0 {
		errs = append(errs, unix.Close(t.fd))
	}
	if t.reader != nil {
		errs = append(errs, t.reader.Close())
	}
	if t.coll != nil {
		t.coll.Close()
	}
	errs = append(errs, unix.SchedSetaffinity(0, &t.cpus))
	runtime.UnlockOSThread()
	return errors.Join(errs...)
}
