// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness/owner"
)

// A device is a part of a guest's machine, with QEMU's arguments for it.
type device interface{ args() []string }

// machine is the board, the processor and the memory.
type machine struct {
	accel  accel
	cpus   int
	memory int64 // bytes
	ram    *ramFile
}

// ramFile is a file that holds the guest's memory; nil: the memory is QEMU's own. The guest's writes go to the file only if it is shared.
type ramFile struct {
	fd     int
	shared bool
}

func (m machine) args() []string {
	args := append(m.accel.args(), bare{}.args()...)
	board := "q35,sata=off,smbus=off"
	if r := m.ram; r != nil {
		board += ",memory-backend=ram"
		share := map[bool]string{true: "on", false: "off"}[r.shared]
		args = append(args, "-object", fmt.Sprintf("memory-backend-file,id=ram,size=%dK,mem-path=%s,share=%s", m.memory>>10, fdPath(r.fd), share))
	}
	args = append(args, "-machine", board, "-m", fmt.Sprintf("%dK", m.memory>>10))
	return append(args, m.accel.processors(m.cpus)...)
}

// bare disables QEMU's defaults: devices, user settings, display and network. QEMU exits when the guest reboots.
type bare struct{}

func (bare) args() []string {
	return []string{"-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot"}
}

// An accel is a way to execute the guest's instructions.
type accel interface {
	device
	kernelArgs() []string      // arguments for the guest's kernel
	processors(n int) []string // QEMU's arguments for n CPUs
}

// smpArgs returns the arguments for n CPUs of one socket, present from the start.
func smpArgs(n int) []string { return []string{"-smp", strconv.Itoa(n)} }

// tcg translates instructions without counting them, with a thread for each CPU of the guest, or one for all.
type tcg struct {
	processor string
	oneThread bool
}

// cpuModel returns the processor model of guests whose instructions are translated: all that QEMU emulates, for kernels before 6.18
// without cmpxchg16b. In QEMU 7.2 an interrupt right after cmpxchg16b saves the low half of an address as the flags (EFLAGS 049686d2
// beside RAX ffff8880049684d0, with the direction flag set). Older kernels, whose allocator uses it for each object, crash within
// seconds. Newer kernels use it rarely, and need it for BPF allocations where no lock may be taken.
func cpuModel(release string) string {
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n == 2 && (major < 6 || major == 6 && minor < 18) {
		return "max,-cx16"
	}
	return "max"
}

func (t tcg) args() []string {
	if t.oneThread {
		return []string{"-accel", "tcg,thread=single", "-cpu", t.processor}
	}
	return []string{"-accel", "tcg", "-cpu", t.processor}
}

// The kernel checks the timer interrupt at boot, and panics if none arrives within about ten ticks. On a busy machine that happens
// (1 boot in 80 beside seven others).
func (tcg) kernelArgs() []string { return []string{"no_timer_check"} }

func (tcg) processors(n int) []string { return smpArgs(n) }

// kvm executes instructions on this machine's processor.
type kvm struct{}

func (kvm) args() []string            { return []string{"-accel", "kvm", "-cpu", "host"} }
func (kvm) kernelArgs() []string      { return nil }
func (kvm) processors(n int) []string { return smpArgs(n) }

// icount translates and counts instructions: each takes one virtual nanosecond (shift=0), and an idle guest's clock jumps to its next
// timer (sleep=off). Clock, entropy and addresses are fixed.
//
// The guest is recorded to /dev/null for the recording's lock. Without it QEMU's main loop may run after a CPU went idle and before
// the clock counts its last instructions, and then the clock jumps too far, how often depends on the machine's load.
type icount struct {
	processor string
	cpus      int
	seed      uint64
}

func (c icount) args() []string {
	return []string{"-accel", "tcg", "-icount", "shift=0,sleep=off,rr=record,rrfile=/dev/null", "-rtc", "base=2026-01-01,clock=vm",
		"-seed", strconv.FormatUint(c.seed, 10), "-cpu", c.processor + ",-rdrand,-rdseed"}
}

// processors declares all CPUs but the first as devices, on one socket: QEMU does not record a guest that starts with several.
func (c icount) processors(n int) []string {
	model, _, _ := strings.Cut(c.processor, ",")
	args := []string{"-smp", fmt.Sprintf("1,maxcpus=%d,cores=%d", n, n)}
	for i := 1; i < n; i++ {
		args = append(args, "-device", fmt.Sprintf("%s-x86_64-cpu,socket-id=0,core-id=%d,thread-id=0", model, i))
	}
	return args
}

// The arguments replace the kernel's measurements of its clocks. The calibration of the local APIC's timer, which reads the clock for
// 100 ms of virtual time, would take half of a boot's wall-clock time; a guest with one CPU uses the HPET instead.
//
// The kernel must not read the accessed bits of page tables. QEMU sets them when it fills its translation cache, whose size depends on
// host time (tlb_mmu_resize_locked in accel/tcg/cputlb.c). DAMON's statistics, on by default in newer kernels, and khugepaged read
// them; with DAMON half of the runs differ by three instructions for each such bit.
//
// The command line carries the seed, because the kernel mixes it into its entropy. QEMU passes its own seed only to compressed images.
func (c icount) kernelArgs() []string {
	args := []string{fmt.Sprintf("kxlab.seed=%d", c.seed), "nokaslr", "norandmaps", "random.trust_cpu=off", "tsc=reliable",
		"tsc_early_khz=1000000", "no_timer_check",
		"damon_stat.enabled=N", "transparent_hugepage=never"}
	if c.cpus == 1 {
		args = append(args, "nolapic_timer")
	}
	return args
}

// kernelImage is the kernel with its initramfs and command line.
type kernelImage struct {
	path    string
	file    *os.File // the initramfs
	initrd  string   // its path
	cmdline []string
}

func (k kernelImage) args() []string {
	return []string{"-kernel", k.path, "-initrd", k.initrd, "-append", strings.Join(k.cmdline, " ")}
}

// console is the guest's first serial port, written to an open file.
type console struct{ fd int }

func (c console) args() []string {
	return append(outFile("console", c.fd), "-device", "isa-serial,chardev=console")
}

// terminal is the guest's first serial port, connected to QEMU's standard input and output. All keys go to the guest.
type terminal struct{}

func (terminal) args() []string {
	return []string{"-chardev", "stdio,id=console,signal=off,mux=off", "-device", "isa-serial,chardev=console"}
}

// channelPort is the I/O port to which the guest's first process writes frames. QEMU stops the guest until the host has taken a byte.
// Unlike a serial line the port has no speed, no buffer and no interrupts, so the guest cannot observe the host's delays.
const channelPort = 0xe9

// channel writes the guest's frames to an open file.
type channel struct{ fd int }

func (c channel) args() []string {
	return append(outFile("channel", c.fd), "-device", fmt.Sprintf("isa-debugcon,iobase=%#x,chardev=channel", channelPort))
}

// outFile declares a character device that writes to an open file. With append QEMU does not truncate the file, which fails for a pipe.
func outFile(name string, fd int) []string {
	return []string{"-add-fd", fmt.Sprintf("fd=%d,set=%d", fd, fd), "-chardev", fmt.Sprintf("file,id=%s,path=/dev/fdset/%d,append=on", name, fd)}
}

// exactLine is the command line of an exact guest that is stopped until the monitor continues it. Its devices are the same, in the same
// order, whether it boots, boots for a snapshot or resumes one.
func exactLine(m machine, t taskDevice, more ...device) []string {
	return append(commandLine(append([]device{m, watchdog{}, t}, more...)...), "-S")
}

// ownerName names a guest after this process, so that Clean finds it when this process is dead.
type ownerName struct{}

func (ownerName) args() []string { return []string{"-name", owner.Prefix + owner.Self() + "-guest"} }

func commandLine(devices ...device) []string {
	var out []string
	for _, d := range devices {
		out = append(out, d.args()...)
	}
	return out
}

// kernelArgs returns the kernel's command line. Warnings go to the console; a panic stops the guest; the crypto self-tests, which
// would run for seconds during a measurement, are disabled.
func kernelArgs(a accel) []string {
	return append([]string{"console=ttyS0", "loglevel=5", "panic=-1", "cryptomgr.notests", "rdinit=/init"}, a.kernelArgs()...)
}
