// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// agentWord is the first argument of a program that is to run a guest's task without being its first process; the second is
// the folder where the task is.
const agentWord = "vm-agent"

// Guest returns at once unless the calling process is to run the task of a guest of the lab: as its first process, or, where
// virtme-ng set the guest up, because it was called for that. Then it sets up what is missing, runs the program, tells the host
// how it ended, powers off and does not return. main calls it before anything else.
func Guest() {
	dir := guestDir
	switch {
	case len(os.Args) == 3 && os.Args[1] == agentWord:
		dir = os.Args[2]
	case os.Getpid() != 1:
		return
	}
	raw, err := os.ReadFile(filepath.Join(dir, "task.json"))
	if err != nil {
		return // the first process of a container
	}
	if err := guest(dir, raw); err != nil {
		fmt.Fprintln(os.Stderr, "kxlab guest:", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

// guest does all that Guest does but power off. Its error cannot be told to the host.
func guest(dir string, raw []byte) error {
	// Before anything can fail in it: what the kernel kills for want of memory must be something else.
	setupErr := mountAll()
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0)
	host, err := openPort()
	if err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	var uts unix.Utsname
	_ = unix.Uname(&uts)
	h := hello{Release: unix.ByteSliceToString(uts.Release[:]), Uptime: uptime()}
	if err := host.sendJSON(frameHello, h); err != nil {
		return err
	}
	status := exitStatus{}
	if err := runTask(host, dir, raw, h, setupErr, &status); err != nil {
		status.Error = err.Error()
		if status.Code == 0 {
			status.Code = codeLost
		}
	}
	status.Tainted, status.OOM = tainted(), oomKills()
	return host.sendJSON(frameExit, status)
}

func runTask(host *port, dir string, raw []byte, h hello, setupErr error, status *exitStatus) error {
	var t task
	if err := json.Unmarshal(raw, &t); err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	if t.Exact {
		setupErr = errors.Join(setupErr, seedRandom())
	}
	if err := errors.Join(setupErr, setup(dir), loadModules(dir), writeFiles(t.Files)); err != nil {
		return fmt.Errorf("set up guest: %w", err)
	}
	stop := host.beat(t.Beat)
	defer stop()
	ready := Ready{Release: h.Release, Init: h.Uptime}
	if t.Exact {
		c, err := calibrate()
		if err != nil {
			return err
		}
		ready.Calibration = c
	}
	ready.Uptime = uptime()
	if err := host.sendJSON(frameReady, ready); err != nil {
		return err
	}
	run := host.run
	if t.Terminal {
		run = runOnConsole
	}
	code, err := run(t)
	status.Code = code
	return err
}

// uptime is the guest's time since its clock began.
func uptime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano())
}

func tainted() uint64 {
	raw, _ := os.ReadFile("/proc/sys/kernel/tainted")
	n, _ := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
	return n
}

// oomKills is how many processes were killed for want of memory.
func oomKills() int {
	raw, _ := os.ReadFile("/proc/vmstat")
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "oom_kill" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}
