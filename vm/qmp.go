// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A monitor is a connection with QEMU's monitor (QMP). It is used while the guest stands still: what is said while it runs
// could be seen in it.
type monitor struct {
	conn   net.Conn
	lines  *bufio.Scanner
	events []string // that came while an answer was waited for
}

// monitorPair makes a connected pair of sockets: this process's end, and QEMU's, which it inherits.
func monitorPair() (*monitor, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open monitor: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "monitor")
	f := os.NewFile(uintptr(fds[0]), "monitor")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("open monitor: %w", err)
	}
	m := &monitor{conn: conn, lines: bufio.NewScanner(conn)}
	m.lines.Buffer(nil, 1<<20)
	return m, theirs, nil
}

// monitorPort is the monitor, on an inherited socket.
type monitorPort struct{ fd int }

func (p monitorPort) args() []string {
	return []string{"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", p.fd), "-mon", "chardev=monitor,mode=control"}
}

// greet waits for QEMU's greeting, at most so long, and answers it.
func (m *monitor) greet(patience time.Duration) error {
	_ = m.conn.SetDeadline(time.Now().Add(patience))
	if !m.lines.Scan() {
		return fmt.Errorf("greet monitor: %w", m.end())
	}
	_, err := m.execute("qmp_capabilities", nil)
	return err
}

// A message is what QEMU says: an answer, an error or an event.
type message struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

// execute runs a command and returns its result.
func (m *monitor) execute(command string, arguments any) (json.RawMessage, error) {
	raw, err := json.Marshal(map[string]any{"execute": command, "arguments": arguments})
	if arguments == nil {
		raw, err = json.Marshal(map[string]any{"execute": command})
	}
	if err != nil {
		return nil, fmt.Errorf("monitor: %s: %w", command, err)
	}
	if _, err := m.conn.Write(append(raw, '\n')); err != nil {
		return nil, fmt.Errorf("monitor: %s: %w", command, err)
	}
	for {
		msg, err := m.read()
		switch {
		case err != nil:
			return nil, fmt.Errorf("monitor: %s: %w", command, err)
		case msg.Event != "":
			m.events = append(m.events, msg.Event)
		case msg.Error != nil:
			return nil, fmt.Errorf("monitor: %s: %s", command, msg.Error.Desc)
		default:
			return msg.Return, nil
		}
	}
}

// human runs a command of the monitor for people. What it prints is its error.
func (m *monitor) human(command string) error {
	raw, err := m.execute("human-monitor-command", map[string]string{"command-line": command})
	if err != nil {
		return err
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("monitor: %s: %w", command, err)
	}
	if text != "" {
		return fmt.Errorf("monitor: %s: %s", command, text)
	}
	return nil
}

// wait returns when the event has come, at most after so long.
func (m *monitor) wait(event string, patience time.Duration) error {
	for _, e := range m.events {
		if e == event {
			return nil
		}
	}
	_ = m.conn.SetDeadline(time.Now().Add(patience))
	for {
		msg, err := m.read()
		if err != nil {
			return fmt.Errorf("monitor: wait for %s: %w", event, err)
		}
		if msg.Event == event {
			return nil
		}
	}
}

func (m *monitor) read() (message, error) {
	if !m.lines.Scan() {
		return message{}, m.end()
	}
	var msg message
	err := json.Unmarshal(m.lines.Bytes(), &msg)
	return msg, err
}

// end is why there is nothing more to read.
func (m *monitor) end() error {
	if err := m.lines.Err(); err != nil {
		return err
	}
	return errors.New("QEMU has ended")
}

// Close hangs up. The guest goes on.
func (m *monitor) Close() error { return m.conn.Close() }
