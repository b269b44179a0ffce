// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness/cache"
)

func (c *Cmd) cpus() int { return max(1, c.CPUs) }

// bootSeed seeds the boot of every exact guest, so that guests of all seeds can resume one snapshot. A task has its own seed.
const bootSeed = 1

// chooseAccel returns the guest's accelerator.
func (c *Cmd) chooseAccel(ctx context.Context) (accel, error) {
	switch {
	case c.accel != nil:
		return c.accel, nil
	case c.Exact != nil && c.Virtme:
		return nil, errors.New("a guest with this machine's root cannot be exact: its reads from there take host time")
	case c.Exact != nil && c.Terminal:
		return nil, errors.New("a guest with a terminal cannot be exact: its input arrives at host time")
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

// A launch is a command line of QEMU with the resources that it refers to.
type launch struct {
	qemu    string
	args    []string
	files   []*os.File     // inherited by QEMU, from descriptor 3 on
	undo    []func() error // run in reverse order when the guest has ended
	monitor *monitor       // of a guest that stands still until start; nil: the guest runs at once
	boots   bool           // the guest of the monitor boots; false: it resumes a snapshot
}

func (l *launch) Close() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	if l.monitor != nil {
		errs = append(errs, l.monitor.Close())
	}
	for _, undo := range slices.Backward(l.undo) {
		errs = append(errs, undo())
	}
	*l = launch{}
	return errors.Join(errs...)
}

// addImage makes the guest's image the launch's next file and returns it, with the device that boots it.
func (l *launch) addImage(ctx context.Context, c *Cmd, m machine, self string, t task, stdin []byte) (*image, kernelImage, error) {
	img, err := buildImage(ctx, c, self, t, stdin)
	if err != nil {
		return nil, kernelImage{}, err
	}
	initrd := fdPath(firstFD + len(l.files))
	l.files = append(l.files, img.file)
	if least := 2*img.size + memorySpare; m.memory < least {
		return nil, kernelImage{}, fmt.Errorf("%d MiB of memory are not enough: with this image a guest needs %d", m.memory>>20, least>>20+1)
	}
	path, err := bootable(ctx, c.Kernel)
	return img, kernelImage{path: path, initrd: initrd, cmdline: kernelArgs(m.accel)}, err
}

// composeImage composes a guest whose root file system is an initramfs.
func (c *Cmd) composeImage(ctx context.Context, l *launch, m machine, self string, t task, stdin []byte) error {
	_, kernel, err := l.addImage(ctx, c, m, self, t, stdin)
	l.args = commandLine(m, kernel)
	return err
}

// taskMax limits a task that the guest reads through fw_cfg, bytes: each byte takes QEMU some 100 ns.
const taskMax = 4 << 20

// composeExact composes a guest that is set up before it receives its task. It resumes a snapshot, which is made if it is missing;
// if that fails, it boots. Both execute the same instructions. A task larger than taskMax lies in the image instead.
func (c *Cmd) composeExact(ctx context.Context, l *launch, m machine, self string, t task, stdin []byte) error {
	files, err := taskFiles(c.Files, stdin)
	if err != nil {
		return err
	}
	t.Later, t.Seed, t.Files = true, c.Exact.Seed, files
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if len(raw) > taskMax {
		t.Later, t.Files = false, nil
		return c.composeImage(ctx, l, m, self, t, stdin)
	}
	bare := &Cmd{Kernel: c.Kernel, Tools: c.Tools, Modules: c.Modules}
	img, kernel, err := l.addImage(ctx, bare, m, self, task{Later: true, Exact: true, Beat: t.Beat}, nil)
	if err != nil {
		return err
	}
	item, err := cache.CreateUnlinked("images")
	if err != nil {
		return fmt.Errorf("write task: %w", err)
	}
	l.files = append(l.files, item)
	if _, err := item.Write(raw); err != nil {
		return fmt.Errorf("write task: %w", err)
	}
	devices := commandLine(m, kernel, watchdog{})
	l.args = append(devices, commandLine(taskDevice{firstFD + 1})...)
	if !c.NoSnapshots {
		err := c.composeResume(ctx, l, devices, kernel.path, img)
		if err == nil || ctx.Err() != nil {
			return err
		}
		c.note("no snapshot: %v: the guest boots, which is slower and gives the same digits", err)
	}
	l.boots = true
	return l.attachMonitor("-S")
}

// attachMonitor adds a monitor and arguments to a launch.
func (l *launch) attachMonitor(args ...string) error {
	monitor, remote, err := monitorPair()
	if err != nil {
		return err
	}
	l.monitor = monitor
	l.args = slices.Concat(l.args, commandLine(monitorPort{firstFD + len(l.files)}), args)
	l.files = append(l.files, remote)
	return nil
}

// composeResume makes a launch resume a snapshot.
func (c *Cmd) composeResume(ctx context.Context, l *launch, devices []string, boot string, img *image) error {
	key, err := snapshotKey(l.qemu, devices, boot, img.key)
	if err != nil {
		return err
	}
	disk, err := openSnapshot(ctx, key, func(path string) error { return c.makeSnapshot(ctx, l.qemu, path, devices, img.file) })
	if err != nil {
		return err
	}
	l.args = append(l.args, commandLine(store{fdPath(firstFD + len(l.files))})...)
	l.files = append(l.files, disk)
	return l.attachMonitor(commandLine(resume{})...)
}

// note passes a message that is not an error to the caller.
func (c *Cmd) note(format string, args ...any) {
	if c.Note != nil {
		c.Note(fmt.Sprintf(format, args...))
	}
}

// virtmeMemory is the least memory, bytes, of a guest with this machine's root. With 64 MiB it does not boot.
const virtmeMemory = 128 << 20

// checkVirtmePaths returns an error about a path that virtme-ng cannot use. It puts the paths of the kernel and of the cache into QEMU's
// options and the guest's kernel command line, where spaces, commas and quotes separate.
func checkVirtmePaths(k *Kernel) error {
	dir, err := cache.Dir()
	if err != nil {
		return err
	}
	for _, p := range []struct{ what, path, remedy string }{
		{"cache folder", dir, "set " + cache.Env + " to a folder without them"},
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

// composeVirtme composes a guest whose root file system is this machine's.
func (c *Cmd) composeVirtme(ctx context.Context, l *launch, m machine, self string, t task, stdin []byte) error {
	if err := c.Kernel.require("NET_9P_VIRTIO", "9P_FS"); err != nil {
		return fmt.Errorf("%w: use the full kernel (/full), or an image as root (kxlab run --root image)", err)
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
	args, err := v.compose(ctx, c, l, m, self, t, stdin)
	l.args = append(args, commandLine(m.accel, bare{})...)
	return err
}
