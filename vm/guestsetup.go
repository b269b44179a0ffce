// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mountAll mounts what programs expect and nobody mounted before. All but the first three may be missing in a kernel.
func mountAll() error {
	_ = unix.Mount("proc", "/proc", "proc", 0, "") // shows what else is there
	raw, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	mounted := map[string]bool{}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 1 {
			mounted[f[1]] = true
		}
	}
	inMemory := os.Getpid() == 1 // the root file system is: what the caller put into /tmp stays there
	for i, m := range []struct{ kind, dir, options string }{
		{"sysfs", "/sys", ""}, {"devtmpfs", "/dev", ""},
		{"devpts", "/dev/pts", "ptmxmode=0666"}, {"tmpfs", "/dev/shm", ""}, {"tmpfs", "/tmp", "mode=1777"}, {"tmpfs", "/run", "mode=755"},
		{"cgroup2", "/sys/fs/cgroup", ""}, {"bpf", "/sys/fs/bpf", ""},
		{"debugfs", "/sys/kernel/debug", ""}, {"tracefs", "/sys/kernel/tracing", ""},
	} {
		if mounted[m.dir] || inMemory && (m.dir == "/tmp" || m.dir == "/run") {
			continue
		}
		_ = os.MkdirAll(m.dir, 0o755)
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, m.options); err != nil && i < 2 {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	return nil
}

// guestPATH is where programs are looked for in a guest.
const guestPATH = "/usr/sbin:/usr/bin:/sbin:/bin"

// setup gives the guest a name and a loopback, and tells the kernel not to look for a program that loads modules.
func setup(dir string) error {
	_ = unix.Symlink("/proc/self/fd", "/dev/fd")
	_ = os.WriteFile("/proc/sys/kernel/modprobe", []byte("\n"), 0)
	if err := unix.Sethostname([]byte("guest")); err != nil {
		return err
	}
	for key, value := range map[string]string{"PATH": dir + ":" + guestPATH, "HOME": "/root"} {
		if err := os.Setenv(key, value); err != nil {
			return err
		}
	}
	return linkUp("lo")
}

// seedRandom makes the kernel's random numbers ready, as they are on every machine that has run for a while. The seed is on the kernel's
// command line and so in its pool already, but nothing says that it is worth anything: until interrupts enough have come, and in some guests that
// takes minutes of their time, the kernel computes each number anew from the pool. That is 27,000 instructions for a connection
// that iptables translates and whose backend it draws, where there should be 13,000 in all. And who asks for some and waits until they are
// ready, as a program at its start may, computes in the kernel meanwhile: wrk for half a second.
func seedRandom() error {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return fmt.Errorf("seed random numbers: %w", err)
	}
	if err := addEntropy(sha256.Sum256(line)); err != nil {
		return fmt.Errorf("seed random numbers: %w", err)
	}
	if _, err := unix.Getrandom(make([]byte, 1), unix.GRND_NONBLOCK); err != nil {
		return fmt.Errorf("random numbers are not ready although the kernel was given a seed: %w", err)
	}
	return nil
}

// stirRandom makes the random numbers from here on those of a seed: a guest that was resumed has the entropy of its snapshot.
func stirRandom(seed uint64) error {
	if err := addEntropy(sha256.Sum256(fmt.Appendf(nil, "kxlab.seed=%d", seed))); err != nil {
		return fmt.Errorf("stir random numbers: %w", err)
	}
	f, err := os.OpenFile("/dev/random", os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("stir random numbers: %w", err)
	}
	defer f.Close()
	// Else the kernel would take what is new into account when a minute has passed.
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.RNDRESEEDCRNG, 0); errno != 0 {
		return fmt.Errorf("stir random numbers: %w", errno)
	}
	return nil
}

// addEntropy gives the kernel's pool bytes that count for as much as they could.
func addEntropy(data [sha256.Size]byte) error {
	pool := struct {
		bits, size int32 // struct rand_pool_info of linux/random.h
		data       [sha256.Size]byte
	}{bits: 8 * sha256.Size, size: sha256.Size, data: data}
	f, err := os.OpenFile("/dev/random", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&pool))); errno != 0 {
		return errno
	}
	return nil
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
func loadModules(dir string) error {
	files, err := filepath.Glob(dir + "/modules/*.ko")
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

// writeFiles writes files that could not be part of the image.
func writeFiles(files []taskFile) error {
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(f.Path, f.Content, f.Mode); err != nil {
			return err
		}
	}
	return nil
}
