// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// cpus is how many CPUs the guest has.
func (c *Cmd) cpus() int { return max(1, c.CPUs) }

// bootSeed seeds the boot of every exact guest, so that guests of all seeds can resume one snapshot. A task brings its own seed.
const bootSeed = 1

// chooseAccel returns how the guest's instructions are executed.
func (c *Cmd) chooseAccel(ctx context.Context) (accel, error) {
	switch {
	case c.accel != nil:
		return c.accel, nil
	case c.Exact != nil && c.Virtme:
		return nil, errors.New("a guest with this machine's root cannot be exact: what it reads from there comes when it comes")
	case c.Exact != nil && c.Terminal:
		return nil, errors.New("a guest with a terminal cannot be exact: what is typed comes when it comes")
	case c.Exact != nil:
		return icount{processor: cpuModel(c.Kernel.Release), cpus: c.cpus(), seed: bootSeed}, nil
	}
	v, err := JudgeKVM(ctx, c.Kernel)
	if err != nil {
		return nil, err
	}
	if v.KVM {
		return kvm{}, nil
	}
	return tcg{processor: cpuModel(c.Kernel.Release), oneThread: c.OneThread}, nil
}

// A launch is a command line of QEMU with what it refers to.
type launch struct {
	qemu string
	args []string
	// files are inherited by QEMU, from descriptor 3 on, and closed when it was started.
	files []*os.File
	// undo is closed when the guest has ended.
	undo io.Closer
	// monitor is of a guest that stands still until it is told to go on; nil: it runs from its start.
	monitor *monitor
	boots   bool // with a monitor: the guest boots, and was not kept
}

func (l *launch) Close() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	l.files = nil
	if l.monitor != nil {
		errs = append(errs, l.monitor.Close())
		l.monitor = nil
	}
	if l.undo != nil {
		errs = append(errs, l.undo.Close())
	}
	return errors.Join(errs...)
}

// composeImage makes a guest whose root file system is an initramfs.
func (c *Cmd) composeImage(ctx context.Context, l *launch, m machine, self string, t task, stdin []byte) error {
	img, err := buildImage(ctx, c, self, t, stdin)
	if err != nil {
		return err
	}
	l.files = append(l.files, img.file)
	if least := 2*img.size + memorySpare; m.memory < least {
		return fmt.Errorf("%d MiB of memory are not enough: with this image a guest needs %d", m.memory>>20, least>>20+1)
	}
	boot, err := bootable(ctx, c.Kernel)
	if err != nil {
		return err
	}
	l.args = commandLine(m, kernelImage{path: boot, initrd: fdPath(firstFD), args_: kernelArgs(m.accel)})
	return nil
}

// laterMax is the most that a guest reads through fw_cfg, bytes: each takes QEMU some 100 ns.
const laterMax = 4 << 20

// composeExact makes a guest that is set up before it receives its task: from a snapshot, which is made if there is none, or, where
// that fails, by booting. Both execute the same instructions. Tasks that are too large for that lie in the image.
func (c *Cmd) composeExact(ctx context.Context, l *launch, m machine, self string, t task, stdin []byte) error {
	t.Later, t.Seed = true, c.Exact.Seed
	files, err := laterFiles(c.Files, stdin)
	if err != nil {
		return err
	}
	t.Files = files
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if len(raw) > laterMax {
		t.Later, t.Files = false, nil
		return c.composeImage(ctx, l, m, self, t, stdin)
	}
	bare := &Cmd{Kernel: c.Kernel, Tools: c.Tools, Modules: c.Modules}
	img, err := buildImage(ctx, bare, self, task{Later: true, Exact: true, Beat: t.Beat}, nil)
	if err != nil {
		return err
	}
	l.files = append(l.files, img.file)
	if least := 2*img.size + memorySpare; m.memory < least {
		return fmt.Errorf("%d MiB of memory are not enough: with this image a guest needs %d", m.memory>>20, least>>20+1)
	}
	boot, err := bootable(ctx, c.Kernel)
	if err != nil {
		return err
	}
	item, err := createUnlinked()
	if err != nil {
		return fmt.Errorf("write task: %w", err)
	}
	l.files = append(l.files, item)
	if _, err := item.Write(raw); err != nil {
		return fmt.Errorf("write task: %w", err)
	}
	devices := commandLine(m, kernelImage{path: boot, initrd: fdPath(firstFD), args_: kernelArgs(m.accel)}, watchdog{})
	l.args = append(devices, commandLine(later{firstFD + 1})...)
	if !c.NoSnapshots {
		err := c.composeResume(ctx, l, devices, boot, img)
		if err == nil || ctx.Err() != nil {
			return err
		}
		c.note("no snapshot: %v: the guest boots, which is slower and gives the same digits", err)
	}
	l.boots = true
	return l.attachMonitor("-S")
}

// attachMonitor adds a monitor and arguments to a launch. The monitor's descriptor is that of the next file.
func (l *launch) attachMonitor(args ...string) error {
	monitor, theirs, err := monitorPair()
	if err != nil {
		return err
	}
	l.monitor = monitor
	l.args = append(append(l.args, commandLine(monitorPort{firstFD + len(l.files)})...), args...)
	l.files = append(l.files, theirs)
	return nil
}

// composeResume adds to a launch what lets it resume a snapshot.
func (c *Cmd) composeResume(ctx context.Context, l *launch, devices []string, boot string, img *image) error {
	key, err := snapshotKey(l.qemu, devices, boot, img.key)
	if err != nil {
		return err
	}
	disk, err := openSnapshot(ctx, key, func(path string) error { return c.build(ctx, l, path, devices, img.file) })
	if err != nil {
		return err
	}
	l.args = append(l.args, commandLine(store{fdPath(firstFD + len(l.files))})...)
	l.files = append(l.files, disk)
	return l.attachMonitor(commandLine(resume{})...)
}

// note tells the caller what does not end the guest.
func (c *Cmd) note(format string, args ...any) {
	if c.Note != nil {
		c.Note(fmt.Sprintf(format, args...))
	}
}

// virtmeMemory is what a guest with this machine's root needs to get up: with 64 MiB it did not.
const virtmeMemory = 128 << 20

// checkVirtmePaths says which path virtme-ng cannot take: it puts those of the kernel and of the cache into QEMU's options and the
// guest's kernel command line, where spaces, commas and quotes separate.
func checkVirtmePaths(k *Kernel) error {
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	for _, p := range []struct{ what, path, remedy string }{
		{"cache folder", cache, "set " + CacheEnv + " to a folder without them"},
		{"kernel image", k.Image, "copy or link the kernel to a path without them"},
		{"kernel modules", k.Modules, "copy or link the kernel to a path without them"},
	} {
		if strings.ContainsAny(p.path, " \t\n,='\"") {
			return fmt.Errorf("start virtme-ng: %s %q: its path has spaces, commas, equals signs or quotes, which virtme-ng cannot pass on: %s, "+
				"or do without virtme-ng (kxlab run --root image)", p.what, p.path, p.remedy)
		}
	}
	return nil
}

// composeVirtme makes a guest whose root file system is this machine's.
func (c *Cmd) composeVirtme(ctx context.Context, l *launch, m machine, self string, t task, stdin []byte) error {
	if err := c.Kernel.require("NET_9P_VIRTIO", "9P_FS"); err != nil {
		return fmt.Errorf("%w: take the full kernel (/full), or a root of the lab's own (kxlab run --root image)", err)
	}
	if err := checkVirtmePaths(c.Kernel); err != nil {
		return err
	}
	if m.memory < virtmeMemory {
		return fmt.Errorf("%d MiB of memory are not enough: with this machine's root a guest needs %d", m.memory>>20, virtmeMemory>>20)
	}
	v, err := openVirtme(ctx)
	if err != nil {
		return err
	}
	composed, err := v.compose(ctx, c, self, t, stdin, m)
	if err != nil {
		return err
	}
	l.undo = composed
	l.args = append(composed.args, commandLine(m.accel, quiet{})...)
	return nil
}
