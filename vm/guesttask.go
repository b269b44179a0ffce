// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"runtime"
	"time"
)

// The ports of the devices ib700 (watchdog) and fw_cfg (configuration; QEMU, docs/specs). Neither uses interrupts.
const (
	watchdogPort = 0x443 // a write starts the watchdog; the value is an index of timeouts
	watchdogTwo  = 0x0e  // a timeout of 2 s, virtual time
	configPort   = 0x510 // a write selects an item; reads of the next port return its bytes
	configFolder = 0x19  // the item that lists the named items
	taskItem     = "opt/kxlab/task"
)

// pauseTime is the guest's sleep around its pause, guest time: longer than the watchdog's timeout.
const pauseTime = 2500 * time.Millisecond

// receiveTask stops the guest at the point from which snapshots are resumed, and then reads its task. Until this point all guests
// of one image execute the same instructions.
//
// A watchdog stops the guest while it sleeps. An instruction of the guest must not: QEMU counts a CPU that was just stopped as idle,
// and its main loop may advance the clock to the next timer before it handles the stop, depending on the host's scheduler. While
// the guest sleeps the clock advances in either case.
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

// configItems is how many named items are read: more than QEMU has.
const configItems = 64

// configItem returns the content of a named item. Which items there are, and where, depends on whether this guest booted or resumed;
// the number of instructions does not.
func configItem(name string) ([]byte, error) {
	read := func(p []byte) []byte {
		if len(p) > 0 {
			inBytes(configPort+1, &p[0], len(p))
		}
		return p
	}
	var label [56]byte
	copy(label[:], name)
	outWord(configPort, configFolder)
	read(make([]byte, 4)) // their number; zeros follow the last
	var size, selector int
	entry := make([]byte, 64) // size, selector, reserved, name
	for range configItems {
		read(entry)
		found := subtle.ConstantTimeCompare(entry[8:], label[:])
		size = subtle.ConstantTimeSelect(found, int(binary.BigEndian.Uint32(entry)), size)
		selector = subtle.ConstantTimeSelect(found, int(binary.BigEndian.Uint16(entry[4:])), selector)
	}
	if selector == 0 {
		return nil, fmt.Errorf("QEMU has no item %s", name)
	}
	outWord(configPort, uint16(selector))
	return read(make([]byte, size)), nil
}
