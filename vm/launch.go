// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	monitor *monitor       // of a guest that is stopped until start; nil: the guest runs at once
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

// inherited closes this process's descriptors of the files that QEMU has inherited, so that QEMU's end is the end of its connections.
func (l *launch) inherited() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	l.files = nil
	return errors.Join(errs...)
}

// add makes an open file the launch's next one and returns its descriptor in QEMU.
func (l *launch) add(f *os.File) int {
	l.files = append(l.files, f)
	return firstFD + len(l.files) - 1
}

// addImage makes the guest's image the launch's next file and returns the device that boots it.
func (l *launch) addImage(ctx context.Context, c *Cmd, m machine, self string, t task, stdin []byte) (kernelImage, error) {
	img, err := buildImage(ctx, c, self, t, stdin)
	if err != nil {
		return kernelImage{}, err
	}
	k := kernelImage{file: img.file, initrd: fdPath(l.add(img.file)), cmdline: kernelArgs(m.accel)}
	if err := m.hold(img.size); err != nil {
		return k, err
	}
	k.path, err = bootable(ctx, c.Kernel, true)
	return k, err
}

// hold returns an error if the machine's memory is too small for an image of this size, bytes.
func (m machine) hold(image int64) error {
	if least := 2*image + memorySpare; m.memory < least {
		return fmt.Errorf("%d MiB of memory are not enough: with this image a guest needs %d", m.memory>>20, least>>20+1)
	}
	return nil
}

// composeImage composes a guest whose root file system is an initramfs.
func (c *Cmd) composeImage(ctx context.Context, l *launch, m machine, self string, t task, stdin []byte) error {
	kernel, err := l.addImage(ctx, c, m, self, t, stdin)
	l.args = commandLine(m, kernel)
	return err
}

// taskMax limits a task that the guest reads through fw_cfg, bytes: each byte takes QEMU some 100 ns.
const taskMax = 4 << 20

// composeExact composes a guest that is set up before it receives its task. It resumes a snapshot, which is made if it is missing;
// if that fails, it boots. Both execute the same instructions. A task larger than taskMax lies in the image instead.
func (c *Cmd) composeExact(ctx context.Context, l *launch, m machine, self string, t task, stdin []byte) error {
	raw, err := c.exactTask(&t, stdin)
	if err != nil {
		return err
	}
	if len(raw) > taskMax {
		t.Later, t.Files = false, nil
		return c.composeImage(ctx, l, m, self, t, stdin)
	}
	item, err := inMemory("task", raw)
	if err != nil {
		return fmt.Errorf("write task: %w", err)
	}
	device := taskDevice{l.add(item)}
	later := task{Later: true, Exact: true, Beat: t.Beat} // what the guest knows before
	if !c.NoSnapshots {
		err := c.composeResume(ctx, l, m, device, self, later)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil { // err says what was closed for it
			return fmt.Errorf("make or read snapshot: %w", ctx.Err())
		}
		c.note("no snapshot: %v: the guest boots, which is slower and gives the same digits", err)
	}
	kernel, err := l.addImage(ctx, c.bare(), m, self, later, nil)
	if err != nil {
		return err
	}
	l.args, l.boots = exactLine(m, device, kernel), true
	return l.attachMonitor()
}

// exactTask completes the task of an exact guest and returns it as the guest reads it.
func (c *Cmd) exactTask(t *task, stdin []byte) ([]byte, error) {
	files, err := taskFiles(c.Files, stdin)
	if err != nil {
		return nil, err
	}
	t.Later, t.Seed, t.Files = true, c.Exact.Seed, files
	return json.Marshal(t)
}

// Digest returns a hash of all that decides what an exact guest executes: the kernel, the programs, QEMU, the machine, the task and
// the seed. Two guests of one digest give the same digits. Not for a guest with standard input, which can be read only once.
func (c *Cmd) Digest(ctx context.Context) (string, error) {
	if c.Exact == nil || c.Stdin != nil || c.Kernel == nil {
		return "", errors.New("take digest of guest: it is not exact, has a standard input or no kernel")
	}
	t := c.task()
	task, err := c.exactTask(&t, nil)
	if err != nil {
		return "", err
	}
	a, err := c.chooseAccel(ctx)
	if err != nil {
		return "", err
	}
	qemu, self, err := c.hostFiles()
	if err != nil {
		return "", err
	}
	_, key, err := c.resumePoint(ctx, qemu, self, machine{accel: a, cpus: c.cpus(), memory: c.memory()})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte(key), task...))
	return hex.EncodeToString(sum[:]), nil
}

// Identity returns a hash of what an exact guest is made of, by content: kernel, root file system, QEMU's version and the machine. On two
// computers with one identity, guests with the same task and seed give the same digits.
func (c *Cmd) Identity(ctx context.Context) (string, error) {
	_, self, err := c.hostFiles()
	if err != nil {
		return "", err
	}
	a, err := c.chooseAccel(ctx)
	if err != nil {
		return "", err
	}
	version, err := QEMUVersion(ctx)
	if err != nil {
		return "", err
	}
	base, err := openBase(ctx, c.Kernel, self, c.Tools, c.Modules, true)
	if err != nil {
		return "", err
	}
	defer base.Close()
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q\n", version, commandLine(machine{accel: a, cpus: c.cpus(), memory: c.memory()}, kernelImage{cmdline: kernelArgs(a)}))
	kernel, err := os.Open(c.Kernel.Image)
	if err != nil {
		return "", fmt.Errorf("identify guest: %w", err)
	}
	defer kernel.Close()
	for _, f := range []*os.File{kernel, base} {
		if _, err := io.Copy(sum, f); err != nil {
			return "", fmt.Errorf("identify guest: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// bare is the part of a command that decides its guest's image before the task is known.
func (c *Cmd) bare() *Cmd { return &Cmd{Kernel: c.Kernel, Tools: c.Tools, Modules: c.Modules} }

// attachMonitor adds a monitor to a launch.
func (l *launch) attachMonitor() error {
	monitor, remote, err := monitorPair()
	if err != nil {
		return err
	}
	l.monitor = monitor
	l.args = append(l.args, commandLine(monitorPort{l.add(remote)})...)
	return nil
}

// resumePoint returns the image that an exact guest boots, without its files, and the key of its snapshot.
func (c *Cmd) resumePoint(ctx context.Context, qemu, self string, m machine) (k kernelImage, key string, err error) {
	base, err := openBase(ctx, c.Kernel, self, c.Tools, c.Modules, false)
	if err != nil {
		return k, "", err
	}
	defer base.Close()
	st, err := base.Stat()
	if err != nil {
		return k, "", err
	}
	if err := m.hold(st.Size()); err != nil {
		return k, "", err
	}
	path, err := bootable(ctx, c.Kernel, false)
	if err != nil {
		return k, "", err
	}
	k = kernelImage{path: path, initrd: fdPath(firstFD), cmdline: kernelArgs(m.accel)}
	key, err = snapshotKey(qemu, commandLine(m, k), path, base.Name())
	return k, key, err
}

// composeResume makes a launch resume a snapshot. Such a guest needs neither kernel nor image.
func (c *Cmd) composeResume(ctx context.Context, l *launch, m machine, device taskDevice, self string, later task) error {
	k, key, err := c.resumePoint(ctx, l.qemu, self, m)
	if err != nil {
		return err
	}
	files, err := openSnapshot(ctx, key, func(to *snapshotFiles) error {
		img, err := buildImage(ctx, c.bare(), self, later, nil)
		if err != nil {
			return err
		}
		defer img.file.Close()
		if k.path, err = bootable(ctx, c.Kernel, true); err != nil {
			return err
		}
		k.file = img.file
		return c.makeSnapshot(ctx, l.qemu, m, k, to)
	})
	if err != nil {
		return err
	}
	m.ram = &ramFile{fd: l.add(files.ram)}
	l.args = exactLine(m, device, store{l.add(files.state)})
	return l.attachMonitor()
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
