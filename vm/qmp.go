// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A monitor is a connection with QEMU's monitor (QMP). It is silent while the guest runs, because the guest could observe a command.
type monitor struct {
	conn     net.Conn
	messages *json.Decoder
	events   []string // events that arrived before the result of a command
}

// monitorPair makes a connected pair of sockets: this process's end, and the remote end, which QEMU inherits.
func monitorPair() (*monitor, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open monitor: %w", err)
	}
	remote := os.NewFile(uintptr(fds[1]), "monitor")
	f := os.NewFile(uintptr(fds[0]), "monitor")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		remote.Close()
		return nil, nil, fmt.Errorf("open monitor: %w", err)
	}
	return &monitor{conn: conn, messages: json.NewDecoder(conn)}, remote, nil
}

// monitorPort is the monitor, on an inherited socket.
type monitorPort struct{ fd int }

func (p monitorPort) args() []string {
	return []string{"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", p.fd), "-mon", "chardev=monitor,mode=control"}
}

// greet reads QEMU's greeting and enables commands.
func (m *monitor) greet(timeout time.Duration) error {
	_ = m.conn.SetDeadline(time.Now().Add(timeout))
	if _, err := m.read(); err != nil {
		return fmt.Errorf("greet monitor: %w", err)
	}
	_, err := m.execute("qmp_capabilities", nil)
	return err
}

// A command is a message to QEMU.
type command struct {
	Execute   string         `json:"execute"`
	Arguments map[string]any `json:"arguments,omitempty"`
}

// A message is one from QEMU: a result, an error, an event or the greeting.
type message struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

// execute runs a command and returns its result.
func (m *monitor) execute(name string, arguments map[string]any) (json.RawMessage, error) {
	err := json.NewEncoder(m.conn).Encode(command{name, arguments})
	for err == nil {
		var msg message
		msg, err = m.read()
		switch {
		case err != nil:
		case msg.Event != "":
			m.events = append(m.events, msg.Event)
		case msg.Error != nil:
			err = errors.New(msg.Error.Desc)
		default:
			return msg.Return, nil
		}
	}
	return nil, fmt.Errorf("monitor: %s: %w", name, err)
}

// human runs a command of QEMU's human monitor. Its output is the error.
func (m *monitor) human(line string) error {
	raw, err := m.execute("human-monitor-command", map[string]any{"command-line": line})
	if err != nil {
		return err
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("monitor: %s: %w", line, err)
	}
	if text != "" {
		return fmt.Errorf("monitor: %s: %s", line, text)
	}
	return nil
}

// snapshot saves or loads (savevm, loadvm) the state of a stopped guest, without the memory that lies in a file.
func (m *monitor) snapshot(command string) error {
	on := []any{map[string]any{"capability": "x-ignore-shared", "state": true}}
	if _, err := m.execute("migrate-set-capabilities", map[string]any{"capabilities": on}); err != nil {
		return err
	}
	return m.human(command + " " + snapshotName)
}

// wait returns when the event has arrived.
func (m *monitor) wait(event string, timeout time.Duration) error {
	_ = m.conn.SetDeadline(time.Now().Add(timeout))
	for !slices.Contains(m.events, event) {
		msg, err := m.read()
		if err != nil {
			return fmt.Errorf("monitor: wait for %s: %w", event, err)
		}
		m.events = append(m.events, msg.Event)
	}
	return nil
}

func (m *monitor) read() (msg message, err error) {
	if err = m.messages.Decode(&msg); errors.Is(err, io.EOF) {
		err = errors.New("QEMU has exited")
	}
	return msg, err
}

// Close closes the connection. The guest is not affected.
func (m *monitor) Close() error { return m.conn.Close() }
