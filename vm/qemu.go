// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"strconv"
	"strings"
)

// A device is one thing that QEMU gives a guest, as the arguments that ask for it.
type device interface{ args() []string }

// machine is the board, the processor and the memory.
type machine struct {
	accel  accel
	cpus   int
	memory int64 // bytes
}

func (m machine) args() []string {
	args := append(m.accel.args(), quiet{}.args()...)
	args = append(args, "-machine", "q35,sata=off,smbus=off", "-m", fmt.Sprintf("%dK", m.memory>>10))
	return append(args, m.accel.processors(m.cpus)...)
}

// quiet leaves out what QEMU adds by default: devices, a user's settings, a screen, a network; a guest that reboots has ended.
type quiet struct{}

func (quiet) args() []string {
	return []string{"-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot"}
}

// An accel is how instructions are executed. Each also has its kernel arguments.
type accel interface {
	device
	kernelArgs() []string
	// processors asks for n CPUs.
	processors(n int) []string
}

// smpArgs are n CPUs of one socket that are there from the start.
func smpArgs(n int) []string { return []string{"-smp", strconv.Itoa(n)} }

// tcg translates instructions, as fast as it can: each CPU of the guest on a thread of its own, or all on one.
type tcg struct {
	processor string
	oneThread bool
}

// cpuModel is the processor of guests whose instructions are translated: all that QEMU can do, but for older kernels no
// cmpxchg16b. An interrupt right after that one finds the low half of an address where the flags should be (seen in QEMU 7.2:
// EFLAGS 049686d2 beside RAX ffff8880049684d0, with the direction flag set). Kernels before 6.18, whose allocator takes each object
// with it, crash within seconds. Newer ones use it seldom, and need it to allocate for BPF where no lock may be taken.
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

// The kernel tries at boot whether the timer interrupts, and panics if it does not within what it takes for ten ticks. On a busy
// machine it does not (1 boot in 80 beside seven others).
func (tcg) kernelArgs() []string { return []string{"no_timer_check"} }

func (tcg) processors(n int) []string { return smpArgs(n) }

// kvm lets the processor execute them.
type kvm struct{}

func (kvm) args() []string            { return []string{"-accel", "kvm", "-cpu", "host"} }
func (kvm) kernelArgs() []string      { return nil }
func (kvm) processors(n int) []string { return smpArgs(n) }

// icount translates instructions and counts them: each takes one virtual nanosecond (shift=0), and a guest that idles jumps to
// its next timer (sleep=off). Clock, entropy and addresses are pinned.
//
// The guest is recorded as well, to nowhere. The recording is not wanted, its lock is: it keeps QEMU's main loop from
// looking at a CPU between its going idle and the clock's taking in what it executed, when a jump to the next timer goes too
// far. How often that happens depends on the machine's load.
type icount struct {
	processor string
	cpus      int
	seed      uint64
}

func (c icount) args() []string {
	return []string{"-accel", "tcg", "-icount", "shift=0,sleep=off,rr=record,rrfile=/dev/null", "-rtc", "base=2026-01-01,clock=vm",
		"-seed", strconv.FormatUint(c.seed, 10), "-cpu", c.processor + ",-rdrand,-rdseed"}
}

// processors gives all CPUs but the first as devices: QEMU does not record a guest that has several otherwise. All are of one socket.
func (c icount) processors(n int) []string {
	model, _, _ := strings.Cut(c.processor, ",")
	args := []string{"-smp", fmt.Sprintf("1,maxcpus=%d,cores=%d", n, n)}
	for i := 1; i < n; i++ {
		args = append(args, "-device", fmt.Sprintf("%s-x86_64-cpu,socket-id=0,core-id=%d,thread-id=0", model, i))
	}
	return args
}

// The arguments give the kernel what it would measure of its clocks. Calibrating the local APIC's timer, 100 ms of virtual
// time that reads the clock all along, would take half of a boot's wall-clock time; a guest with one CPU can do with the HPET.
//
// Nothing may look at the accessed bits of page tables. QEMU sets them when it fills its translation cache, and how much that holds
// depends on the host's time (tlb_mmu_resize_locked in accel/tcg/cputlb.c). DAMON's statistics, which newer kernels gather by default,
// clear a bit and look again: whether it was set took three instructions more or less, in half of the runs. khugepaged looks too.
//
// The kernel stirs its command line into its entropy, so that is where the seed goes: QEMU hands its own on only where the
// image is entered as a compressed one.
func (c icount) kernelArgs() []string {
	args := []string{fmt.Sprintf("kxlab.seed=%d", c.seed), "nokaslr", "norandmaps", "random.trust_cpu=off", "tsc=reliable",
		"tsc_early_khz=1000000", "no_timer_check",
		"damon_stat.enabled=N", "transparent_hugepage=never"}
	if c.cpus == 1 {
		args = append(args, "nolapic_timer")
	}
	return args
}

// kernel is what is booted, with which initramfs and command line.
type kernelImage struct {
	path   string
	initrd string
	args_  []string
}

func (k kernelImage) args() []string {
	return []string{"-kernel", k.path, "-initrd", k.initrd, "-append", strings.Join(k.args_, " ")}
}

// console is the guest's first serial port, written to an open file.
type console struct{ fd int }

func (c console) args() []string {
	return append(outFile("console", c.fd), "-device", "isa-serial,chardev=console")
}

// terminal is the guest's first serial port, connected with QEMU's standard input and output. All keys go to the guest.
type terminal struct{}

func (terminal) args() []string {
	return []string{"-chardev", "stdio,id=console,signal=off,mux=off", "-device", "isa-serial,chardev=console"}
}

// channelPort is the port to which the guest's first process writes frames. QEMU stops the guest until a byte is taken, so
// nothing that the host does can be seen in the guest: unlike a serial line it has no speed, no buffer and no interrupts.
const channelPort = 0xe9

// channel carries frames out of the guest to an open file.
type channel struct{ fd int }

func (c channel) args() []string {
	return append(outFile("channel", c.fd), "-device", fmt.Sprintf("isa-debugcon,iobase=%#x,chardev=channel", channelPort))
}

// outFile makes a character device that writes to an open file and cannot be read from. Without append QEMU would truncate the
// file, which a pipe cannot be.
func outFile(name string, fd int) []string {
	return []string{"-add-fd", fmt.Sprintf("fd=%d,set=%d", fd, fd), "-chardev", fmt.Sprintf("file,id=%s,path=/dev/fdset/%d,append=on", name, fd)}
}

// mark is a name by which kxlab clean recognises a process of the lab.
type mark struct{ name string }

func (m mark) args() []string { return []string{"-name", m.name} }

// commandLine joins what devices ask for.
func commandLine(devices ...device) []string {
	var out []string
	for _, d := range devices {
		out = append(out, d.args()...)
	}
	return out
}

// kernelArgs is the kernel's command line. Warnings go to the console; a panic stops the guest; the crypto self-tests, which
// run for seconds beside whatever is measured, are left out.
func kernelArgs(a accel) []string {
	return append([]string{"console=ttyS0", "loglevel=5", "panic=-1", "cryptomgr.notests", "rdinit=/init"}, a.kernelArgs()...)
}
