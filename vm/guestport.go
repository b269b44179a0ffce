// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/json"
	"os"
	"runtime"
	"time"
)

// A port is the guest's end of the channel. Only one thread has the permission for the port and writes all frames.
type port struct{ frames chan portFrame }

type portFrame struct {
	raw  []byte
	done chan struct{}
}

func openPort() (*port, error) {
	p := &port{frames: make(chan portFrame)}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := allowPorts(channelPort, 1)
		ready <- err
		for f := range p.frames {
			outBytes(channelPort, &f.raw[0], len(f.raw))
			close(f.done)
		}
	}()
	return p, <-ready
}

// send sends a frame and returns when the host has it.
func (p *port) send(kind frameKind, payload []byte) {
	f := portFrame{raw: encodeFrame(nil, kind, payload), done: make(chan struct{})}
	p.frames <- f
	<-f.done
}

func (p *port) sendJSON(kind frameKind, v any) error {
	raw, err := json.Marshal(v)
	if err == nil {
		p.send(kind, raw)
	}
	return err
}

// copy sends the content of r until its end, closes r, and acknowledges each part to ack, which may be nil.
func (p *port) copy(kind frameKind, r, ack *os.File) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.Close()
		buf := make([]byte, frameMax)
		for {
			n, err := r.Read(buf)
			if n > 0 {
				p.send(kind, buf[:n])
				acknowledge(ack, n)
			}
			if err != nil {
				return
			}
		}
	}()
	return done
}

// beat sends heartbeats at intervals of guest time until stop is called.
func (p *port) beat(every time.Duration) (stop func()) {
	ticker := time.NewTicker(every)
	quit := make(chan struct{})
	go func() {
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				p.send(frameBeat, nil)
			}
		}
	}()
	return func() { ticker.Stop(); close(quit) }
}
