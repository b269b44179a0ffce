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

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// mountAll mounts the file systems that programs expect, unless they are mounted. The kernel must have the first three.
func mountAll() error {
	_ = unix.Mount("proc", "/proc", "proc", 0, "") // fails if it is mounted
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
	inMemory := os.Getpid() == 1 // the root file system is: a mount would hide the caller's files in /tmp
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

// guestPATH is the search path of programs in a guest.
const guestPATH = "/usr/sbin:/usr/bin:/sbin:/bin"

// setup sets the host name, the environment and the loopback device, and disables the kernel's module loader.
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
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// seedRandom initialises the kernel's random number generator, as on any machine that has run for a while. The seed in the kernel's
// command line is in the entropy pool, but credited with no bits. Until enough interrupts have come, which takes minutes of guest
// time in some guests, the kernel would compute each number anew from the pool: a connection whose backend iptables draws would take
// 27,000 instructions instead of 13,000, and a program that waits for random numbers would spin in the kernel (wrk: half a second).
func seedRandom() error {
	line, err := os.ReadFile("/proc/cmdline")
	if err == nil {
		err = addEntropy(line)
	}
	if err != nil {
		return fmt.Errorf("seed random numbers: %w", err)
	}
	if _, err := unix.Getrandom(make([]byte, 1), unix.GRND_NONBLOCK); err != nil {
		return fmt.Errorf("seed random numbers: the kernel has a seed and is not ready: %w", err)
	}
	return nil
}

// reseedRandom makes random numbers depend on a task's seed: all guests that resume one snapshot have its entropy.
func reseedRandom(seed uint64) error {
	err := addEntropy(fmt.Appendf(nil, "kxlab.seed=%d", seed))
	if err == nil {
		err = randomIoctl(unix.RNDRESEEDCRNG, nil) // the kernel itself would use new entropy only after a minute
	}
	if err != nil {
		return fmt.Errorf("reseed random numbers: %w", err)
	}
	return nil
}

// addEntropy mixes the hash of seed into the kernel's pool and credits all its bits.
func addEntropy(seed []byte) error {
	pool := struct {
		bits, size int32 // struct rand_pool_info of linux/random.h
		data       [sha256.Size]byte
	}{bits: 8 * sha256.Size, size: sha256.Size, data: sha256.Sum256(seed)}
	return randomIoctl(unix.RNDADDENTROPY, unsafe.Pointer(&pool))
}

func randomIoctl(request uintptr, arg unsafe.Pointer) error {
	f, err := os.OpenFile("/dev/random", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
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
