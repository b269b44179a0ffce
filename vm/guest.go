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

// agentCommand is the first argument of the agent where virtme-ng starts it; the second is the folder of the task.
const agentCommand = "vm-agent"

// Guest runs the task of a guest if the calling process is the guest's agent: its first process, or the process that virtme-ng
// starts. It sets the guest up, runs the program, reports to the host, powers off and does not return. In any other process it
// returns at once. main calls it before anything else.
func Guest() {
	dir, err := taskFolder(os.Args, os.Getpid(), "/proc/cmdline")
	if err != nil {
		fmt.Fprintf(os.Stderr, "kxlab: %s: %v\n", agentCommand, err)
		os.Exit(2)
	}
	if dir == "" {
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

// taskFolder returns the folder of the task of a process with these arguments and this id; "" if the process is no agent. Calling the
// agent outside a guest is an error. Cmdline is the file with the kernel's command line; a first process does not read it, because
// /proc is not mounted yet.
func taskFolder(args []string, pid int, cmdline string) (string, error) {
	switch {
	case len(args) == 3 && args[1] == agentCommand:
		line, err := os.ReadFile(cmdline)
		if err != nil {
			return "", fmt.Errorf("read the kernel's command line: %w", err)
		}
		if dir := args[2]; sharesFolder(string(line), dir) {
			return dir, nil
		}
		return "", fmt.Errorf("run the task in %s: this machine is not a guest of the lab: the kernel's command line does not name that folder; "+
			"kxlab vm run boots a guest", args[2])
	case pid == 1:
		return guestDir, nil
	}
	return "", nil
}

// sharesFolder tells from a kernel's command line whether virtme-ng mounted dir in this guest. The agent powers the machine off, so it
// must not run anywhere else.
func sharesFolder(cmdline, dir string) bool {
	for _, arg := range strings.Fields(cmdline) {
		name, value, _ := strings.Cut(arg, "=")
		number, ok := strings.CutPrefix(name, "virtme_initmount")
		if _, err := strconv.Atoi(number); ok && err == nil && value != "" && dir == "/"+strings.TrimPrefix(value, "/") {
			return true
		}
	}
	return false
}

// guest runs a task and reports its end to the host. Its error is that of the channel and cannot be reported.
func guest(dir string, raw []byte) error {
	setupErr := mountAll()
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0) // the OOM killer must spare the agent
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
	status.Tainted, status.OOM = readTaint(), oomKills()
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
	if t.Exact {
		var files []taskFile // of a task in the image they are written already
		if t.Later {
			var err error
			if t, err = receiveTask(); err != nil {
				return err
			}
			files = t.Files
		}
		if err := errors.Join(reseedRandom(t.Seed), writeFiles(files)); err != nil {
			return fmt.Errorf("set up guest: %w", err)
		}
	}
	ready.Uptime = uptime()
	if err := host.sendJSON(frameReady, ready); err != nil {
		return err
	}
	run := host.run
	if t.Terminal {
		run = runOnConsole
	}
	code, err := run(dir, t)
	status.Code = code
	return err
}

func uptime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano())
}

func readTaint() uint64 {
	raw, _ := os.ReadFile("/proc/sys/kernel/tainted")
	n, _ := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
	return n
}

// oomKills returns the number of processes that the OOM killer ended.
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
