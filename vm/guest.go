// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Guest returns at once unless the calling process is the first one of a guest of the lab. There it sets the guest up,
// runs the program, tells the host how it ended, powers off and does not return. main calls it before anything else.
func Guest() {
	if os.Getpid() != 1 {
		return
	}
	raw, err := os.ReadFile(taskPath)
	if err != nil {
		return // the first process of a container
	}
	if err := guest(raw); err != nil {
		fmt.Fprintln(os.Stderr, "kxlab guest:", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

// guest does all that Guest does but power off. Its error cannot be told to the host.
func guest(raw []byte) error {
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
	if err := runTask(host, raw, h, setupErr, &status); err != nil {
		status.Error = err.Error()
		if status.Code == 0 {
			status.Code = codeLost
		}
	}
	status.Tainted, status.OOM = tainted(), oomKills()
	return host.sendJSON(frameExit, status)
}

func runTask(host *port, raw []byte, h hello, setupErr error, status *exitStatus) error {
	var t task
	if err := json.Unmarshal(raw, &t); err != nil {
		return fmt.Errorf("read task: %w", err)
	}
	if err := errors.Join(setupErr, setup(), loadModules()); err != nil {
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
	code, err := host.run(t)
	status.Code = code
	return err
}

// mountAll mounts what programs expect. All but the first three may be missing in a kernel.
func mountAll() error {
	for i, m := range []struct{ kind, dir, options string }{
		{"proc", "/proc", ""}, {"sysfs", "/sys", ""}, {"devtmpfs", "/dev", ""},
		{"devpts", "/dev/pts", "ptmxmode=0666"}, {"tmpfs", "/dev/shm", ""}, {"tmpfs", "/tmp", "mode=1777"}, {"tmpfs", "/run", "mode=755"},
		{"cgroup2", "/sys/fs/cgroup", ""}, {"bpf", "/sys/fs/bpf", ""},
		{"debugfs", "/sys/kernel/debug", ""}, {"tracefs", "/sys/kernel/tracing", ""},
	} {
		_ = os.MkdirAll(m.dir, 0o755)
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, m.options); err != nil && i < 3 && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	return nil
}

// guestPATH is where programs are looked for in a guest.
const guestPATH = "/usr/sbin:/usr/bin:/sbin:/bin"

// setup gives the guest a name and a loopback, and tells the kernel not to look for a program that loads modules.
func setup() error {
	_ = unix.Symlink("/proc/self/fd", "/dev/fd")
	_ = os.WriteFile("/proc/sys/kernel/modprobe", []byte("\n"), 0)
	if err := unix.Sethostname([]byte("guest")); err != nil {
		return err
	}
	for key, value := range map[string]string{"PATH": guestPATH, "HOME": "/root"} {
		if err := os.Setenv(key, value); err != nil {
			return err
		}
	}
	return linkUp("lo")
}

func linkUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// loadModules loads the image's modules in their order.
func loadModules() error {
	files, err := filepath.Glob(moduleDir + "/*.ko")
	if err != nil {
		return err
	}
	for _, name := range files { // sorted
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load module %s: %w", filepath.Base(name)[4:], err)
		}
	}
	return nil
}

// Codes of a program that was not run, as shells have them.
const (
	codeNotRun    = 126
	codeNoProgram = 127
)

// run runs the program and returns its exit code. What it writes goes to the host. All children are reaped, also those
// that others left.
func (p *port) run(t task) (int, error) {
	path, err := exec.LookPath(t.Args[0])
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
			return codeNoProgram, fmt.Errorf("run %s: no such program in the guest", t.Args[0])
		}
		return codeNotRun, fmt.Errorf("run %s: %w", t.Args[0], err)
	}
	stdin, err := os.Open("/dev/null")
	if err != nil {
		return codeNotRun, err
	}
	defer stdin.Close()
	files := []*os.File{stdin}
	var copies []<-chan struct{}
	for _, kind := range []frameKind{frameStdout, frameStderr} {
		r, w, err := os.Pipe()
		if err != nil {
			return codeNotRun, err
		}
		files = append(files, w)
		copies = append(copies, p.copy(kind, r))
	}
	dir := t.Dir
	if dir == "" {
		dir = "/root"
	}
	proc, err := os.StartProcess(path, t.Args, &os.ProcAttr{Dir: dir, Env: append(os.Environ(), t.Env...), Files: files})
	for _, f := range files[1:] {
		f.Close()
	}
	if err != nil {
		return codeNotRun, fmt.Errorf("run %s: %w", t.Args[0], err)
	}
	// It has this process's protection from being killed for want of memory.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", proc.Pid), []byte("0"), 0)
	status, err := reap(proc.Pid)
	if err != nil {
		return codeNotRun, err
	}
	for _, done := range copies {
		select {
		case <-done:
		case <-time.After(100 * time.Millisecond): // a grandchild holds the pipe
		}
	}
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// reap waits for a child, and takes the status of all others that end until then.
func reap(pid int) (unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for program: %w", err)
		case got == pid && (status.Exited() || status.Signaled()):
			return status, nil
		}
	}
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

// A port is the guest's end of the channel. One thread, which is allowed to write to the port, does so for all.
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
		err := allowPort(channelPort)
		ready <- err
		for f := range p.frames {
			outBytes(channelPort, &f.raw[0], len(f.raw))
			close(f.done)
		}
	}()
	return p, <-ready
}

// send returns when the host has the frame.
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

// copy sends what can be read from r until its end.
func (p *port) copy(kind frameKind, r *os.File) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.Close()
		buf := make([]byte, frameMax)
		for {
			n, err := r.Read(buf)
			if n > 0 {
				p.send(kind, buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	return done
}

// beat says in regular intervals of the guest's time that it lives, until stop is called.
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
