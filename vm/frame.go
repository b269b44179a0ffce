// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is a message of the guest: a magic byte, its kind, the length of its payload (4 bytes, little endian), the payload.
type frame struct {
	kind    frameKind
	payload []byte
}

type frameKind byte

const (
	frameHello  frameKind = 'h' // hello as JSON: the guest's first process runs
	frameReady  frameKind = 'r' // Ready as JSON: the guest is set up, the program starts next
	frameStdout frameKind = 'o'
	frameStderr frameKind = 'e'
	frameBeat   frameKind = 'b' // heartbeat, without payload
	frameExit   frameKind = 'x' // exitStatus as JSON: the last frame
)

const (
	frameMagic = 0x1e    // the record separator
	frameMax   = 1 << 16 // bytes of payload
	frameHead  = 6       // bytes before the payload
)

// encodeFrame appends a frame to b. The payload may not exceed frameMax.
func encodeFrame(b []byte, kind frameKind, payload []byte) []byte {
	b = append(b, frameMagic, byte(kind))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	return append(b, payload...)
}

// errFrame means that the channel carries bytes that are no frame.
var errFrame = errors.New("channel is garbled")

// readFrame reads one frame. Its error is io.EOF at the end of the channel, io.ErrUnexpectedEOF in the middle of a frame, and
// errFrame for anything else.
func readFrame(r io.Reader) (frame, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	n := binary.LittleEndian.Uint32(head[2:])
	if head[0] != frameMagic || n > frameMax {
		return frame{}, fmt.Errorf("read frame: %w: % x", errFrame, head)
	}
	f := frame{kind: frameKind(head[1]), payload: make([]byte, n)}
	if _, err := io.ReadFull(r, f.payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	return f, nil
}
