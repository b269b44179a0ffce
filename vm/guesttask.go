// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime"
	"time"
)

// Where a guest pauses, and where it finds its task afterwards: the ports of the devices ib700 and fw_cfg (QEMU, docs/specs).
// All are read and written without interrupts.
const (
	watchdogPort = 0x443 // starts the watchdog, which ends after as many virtual seconds as a table has for the value
	watchdogTwo  = 0x0e  // 2 s
	configPort   = 0x510 // selects an item; the next port has its bytes
	configFolder = 0x19  // the item that lists the named ones
	taskItem     = "opt/kxlab/task"
)

// pauseTime is how long the guest sleeps around its pause: longer than the watchdog takes.
const pauseTime = 2500 * time.Millisecond

// receiveTask lets the guest be stopped at the point from which snapshots are resumed, and reads what it is to do then. Until
// here all guests of one image execute the same instructions.
//
// The guest is stopped by a watchdog, whose time ends while the guest sleeps, and not by an instruction of its own. QEMU counts a
// CPU that was just stopped as idle, and its main loop may then move the clock on to the next timer before it notices the stop,
// or not, as the host's scheduler has it. While the guest sleeps that is what the clock would have done in any case.
func receiveTask() (task, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, p := range []struct {
		port uint16
		n    int
	}{{watchdogPort, 1}, {configPort, 2}} {
		if err := allowPorts(p.port, p.n); err != nil {
			return task{}, fmt.Errorf("receive task: use port %#x: %w", p.port, err)
		}
	}
	start := byte(watchdogTwo)
	outBytes(watchdogPort, &start, 1)
	time.Sleep(pauseTime)
	raw, err := configItem(taskItem)
	if err != nil {
		return task{}, fmt.Errorf("receive task: %w", err)
	}
	var t task
	if err := json.Unmarshal(raw, &t); err != nil {
		return task{}, fmt.Errorf("receive task: %w", err)
	}
	return t, nil
}

// configItem reads a named item of fw_cfg.
func configItem(name string) ([]byte, error) {
	read := func(p []byte) []byte {
		if len(p) > 0 {
			inBytes(configPort+1, &p[0], len(p))
		}
		return p
	}
	outWord(configPort, configFolder)
	for range binary.BigEndian.Uint32(read(make([]byte, 4))) {
		entry := read(make([]byte, 64)) // size, selector, reserved, name
		if label := entry[8:]; string(label[:len(name)]) != name || label[len(name)] != 0 {
			continue
		}
		outWord(configPort, binary.BigEndian.Uint16(entry[4:]))
		return read(make([]byte, binary.BigEndian.Uint32(entry))), nil
	}
	return nil, fmt.Errorf("QEMU has no item %s", name)
}
