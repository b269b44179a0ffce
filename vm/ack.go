// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ackFD is the descriptor of an eventfd in a program of a guest with Cmd.Acknowledge. The agent adds the bytes of standard output that
// it has sent to the host; the program reads the sum. An eventfd never fills up as a pipe does, so the agent never waits for the program.
const ackFD = 3

// NewAckWriter returns a writer for the standard output of a program of a guest with Cmd.Acknowledge. Its Write returns when the
// host has the bytes, so a later panic of the guest's kernel does not lose them, as it loses what is still in a pipe.
func NewAckWriter(stdout io.Writer) io.Writer {
	unix.CloseOnExec(ackFD)
	return &ackWriter{stdout, os.NewFile(ackFD, "acknowledgement")}
}

type ackWriter struct {
	out io.Writer
	ack io.Reader
}

func (w *ackWriter) Write(p []byte) (int, error) {
	n, err := w.out.Write(p)
	var count [8]byte
	for owed := uint64(n); err == nil && owed > 0; owed -= min(owed, binary.NativeEndian.Uint64(count[:])) {
		if _, err := w.ack.Read(count[:]); err != nil {
			return n, fmt.Errorf("wait until the host has the output: %w", err)
		}
	}
	return n, err
}

// newAck makes the eventfd, which the program inherits.
func newAck() (*os.File, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make acknowledgement: %w", err)
	}
	return os.NewFile(uintptr(fd), "acknowledgement"), nil
}

// acknowledge adds n bytes to the eventfd, unless that is nil.
func acknowledge(ack *os.File, n int) {
	if ack != nil {
		_, _ = ack.Write(binary.NativeEndian.AppendUint64(nil, uint64(n)))
	}
}
