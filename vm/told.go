// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// toldFD is where a program of a guest with Cmd.Acknowledge learns how much of its standard output the host has: an eventfd, to
// which the agent adds the bytes it has handed on. Unlike a pipe it is never full, so the agent never waits for the program.
const toldFD = 3

// Told makes standard output, in a program of a guest with Cmd.Acknowledge, a writer that returns when the host has what was
// written: if the guest then dies, that was said all the same. Without it the last words lie in a pipe when the kernel panics.
func Told(stdout io.Writer) io.Writer {
	unix.CloseOnExec(toldFD)
	return &told{stdout, os.NewFile(toldFD, "acknowledgement")}
}

type told struct {
	out io.Writer
	ack *os.File
}

func (t *told) Write(p []byte) (int, error) {
	n, err := t.out.Write(p)
	var count [8]byte
	for owed := uint64(n); err == nil && owed > 0; owed -= min(owed, binary.NativeEndian.Uint64(count[:])) {
		if _, err := t.ack.Read(count[:]); err != nil {
			return n, fmt.Errorf("wait until the host was told: %w", err)
		}
	}
	return n, err
}

// newAck makes the agent's end of it, which the program inherits.
func newAck() (*os.File, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make acknowledgement: %w", err)
	}
	return os.NewFile(uintptr(fd), "acknowledgement"), nil
}

// acknowledge says that the host has n bytes more; a nil ack says nothing.
func acknowledge(ack *os.File, n int) {
	if ack != nil {
		_, _ = ack.Write(binary.NativeEndian.AppendUint64(nil, uint64(n)))
	}
}
