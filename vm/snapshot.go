// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness/cache"
)

// A snapshot is an exact guest that has booted, is set up, idle and calibrated, and waits for its task. It depends on the kernel,
// the image, QEMU and the machine, but on no task and no seed. It lies in the cache as a disk in the format qcow2, beside a file with
// its snapshotSum.
type snapshot struct {
	path string // of the disk; the other file has ".json" added
}

// snapshotName is the name of the state in the disk.
const snapshotName = "kxlab"

// A snapshotSum describes a complete disk. It is written last; a snapshot without its sum does not count.
type snapshotSum struct {
	Size int64  `json:"size"` // bytes
	CRC  uint32 `json:"crc"`  // CRC-32C of all bytes
}

// snapshotsMax limits the snapshots in the cache, bytes; the least recently used are removed.
const snapshotsMax = 4 << 30

// greetTime limits the wall-clock time in which QEMU starts and loads a snapshot.
const greetTime = time.Minute

// watchdog stops the guest at the guest's request: see receiveTask.
type watchdog struct{}

func (watchdog) args() []string { return []string{"-device", "ib700", "-action", "watchdog=pause"} }

// taskDevice passes a guest its task, from an open file.
type taskDevice struct{ fd int }

func (d taskDevice) args() []string {
	return []string{"-fw_cfg", fmt.Sprintf("name=%s,file=%s", taskItem, fdPath(d.fd))}
}

// store is the disk in which QEMU stores snapshots. The guest does not see it.
type store struct{ path string }

func (s store) args() []string {
	return []string{"-drive", "if=none,id=store,format=qcow2,file=" + s.path}
}

// resume loads the snapshot in the store and leaves the guest stopped.
type resume struct{}

func (resume) args() []string { return []string{"-S", "-loadvm", snapshotName} }

// snapshotKey returns a hash of all that decides which instructions a guest executes until it receives its task.
func snapshotKey(qemu string, devices []string, kernel, base string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "snapshot 2\n%q\n", devices)
	dir, err := cache.Dir()
	if err != nil {
		return "", err
	}
	for _, path := range []string{qemu, kernel, base} {
		st, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("name snapshot: %w", err)
		}
		changed := st.ModTime().UnixNano()
		if strings.HasPrefix(path, dir) { // its name is a hash of its content, its time that of its last use
			changed = 0
		}
		fmt.Fprintf(sum, "%q %d %d\n", path, st.Size(), changed)
	}
	return hex.EncodeToString(sum.Sum(nil))[:32], nil
}

// openSnapshot returns a copy of a snapshot for one guest, an unlinked file. If the cache does not have the snapshot, one process
// makes it and others wait.
func openSnapshot(ctx context.Context, key string, build func(path string) error) (*os.File, error) {
	dir, err := cache.Dir("snapshots")
	if err != nil {
		return nil, err
	}
	s := snapshot{path: filepath.Join(dir, key+".qcow2")}
	if f, err := s.copy(); err == nil {
		return f, nil
	}
	lock, err := cache.Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if f, err := s.copy(); err == nil { // made by another process meanwhile
		return f, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.remove() // damaged
	}
	if err := cache.RemoveParts(dir); err != nil {
		return nil, err
	}
	if err := s.make(build); err != nil {
		return nil, err
	}
	pruneSnapshots(dir, snapshotsMax)
	return s.copy()
}

// make writes the snapshot atomically.
func (s snapshot) make(build func(path string) error) error {
	var sum snapshotSum
	if err := cache.WriteFile(s.path, func(f *os.File) (err error) {
		if err := writeQCOW2(f); err != nil {
			return err
		}
		if err := build(f.Name()); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if sum, err = copySum(io.Discard, f); err != nil {
			return err
		}
		return f.Sync()
	}); err != nil {
		return err
	}
	return cache.WriteFile(s.path+".json", func(f *os.File) error { return json.NewEncoder(f).Encode(sum) })
}

// copySum copies a disk and returns its sum.
func copySum(to io.Writer, from io.Reader) (snapshotSum, error) {
	crc := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	size, err := io.CopyBuffer(io.MultiWriter(to, crc), struct{ io.Reader }{from}, make([]byte, 1<<20))
	return snapshotSum{Size: size, CRC: crc.Sum32()}, err
}

// copy copies the snapshot into an unlinked file. If there is no snapshot, the error wraps fs.ErrNotExist; other errors mean that it
// is damaged.
func (s snapshot) copy() (*os.File, error) {
	raw, err := os.ReadFile(s.path + ".json")
	if err != nil {
		return nil, err
	}
	var want snapshotSum
	if err := json.Unmarshal(raw, &want); err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	from, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	to, err := cache.CreateUnlinked("snapshots")
	if err != nil {
		return nil, err
	}
	have, err := copySum(to, from)
	if err == nil && have != want {
		err = fmt.Errorf("damaged: %+v, not %+v", have, want)
	}
	if err != nil {
		to.Close()
		return nil, fmt.Errorf("copy snapshot: %w", err)
	}
	cache.Touch(s.path)
	return to, nil
}

func (s snapshot) remove() {
	_ = os.Remove(s.path + ".json")
	_ = os.Remove(s.path)
}

// pruneSnapshots removes the least recently used snapshots of a folder until the others take at most limit bytes.
func pruneSnapshots(dir string, limit int64) {
	var total int64
	for _, f := range cache.Files(dir) {
		if filepath.Ext(f.Path) != ".qcow2" {
			continue
		}
		if total += f.Size; total > limit {
			snapshot{f.Path}.remove()
		}
	}
}

// makeSnapshot boots a guest up to the point where it receives its task and stores it in the disk at path.
func (c *Cmd) makeSnapshot(ctx context.Context, qemu, path string, devices []string, initrd *os.File) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("make snapshot: %w", err)
		}
	}()
	m, remote, err := monitorPair()
	if err != nil {
		return err
	}
	defer m.Close()
	defer remote.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	// The order of devices is that of a guest that resumes.
	args := slices.Concat(devices, commandLine(taskDevice{firstFD + 1}, store{path}, monitorPort{firstFD + 2},
		ownerName{}, console{fd: firstFD + 3}, channel{fd: firstFD + 3}), []string{"-S"})
	process := exec.Command(qemu, args...)
	process.ExtraFiles = []*os.File{initrd, null, remote, null}
	var stderr bytes.Buffer
	process.Stderr = &stderr
	ended, err := c.startQEMU(process)
	if err != nil {
		return err
	}
	remote.Close() // or the end of QEMU would not be the end of the connection
	stop := context.AfterFunc(ctx, func() { m.Close() })
	defer stop()
	defer func() {
		_ = process.Process.Kill()
		<-ended
	}()
	if err := m.bootToTask(cmp.Or(c.Boot, BootTime)); err != nil {
		return fmt.Errorf("%w: %s", err, lastLines(stderr.String(), 3))
	}
	if err := m.human("savevm " + snapshotName); err != nil {
		return err
	}
	if _, err := m.execute("quit", nil); err != nil {
		return err
	}
	<-ended
	return nil
}

// bootToTask starts a stopped guest and returns when it has stopped again, before it receives its task.
func (m *monitor) bootToTask(timeout time.Duration) error {
	if err := m.greet(greetTime); err != nil {
		return err
	}
	if _, err := m.execute("cont", nil); err != nil {
		return err
	}
	if err := m.wait("STOP", timeout); err != nil {
		return fmt.Errorf("guest is not ready: %w", err)
	}
	return nil
}

// start starts the guest of a launch, which stands still. A guest that boots first runs to the point at which snapshots are made.
func (l *launch) start(ctx context.Context, timeout time.Duration) error {
	m := l.monitor
	stop := context.AfterFunc(ctx, func() { m.Close() })
	defer stop()
	var err error
	if l.boots {
		err = m.bootToTask(timeout)
	} else {
		err = m.greet(greetTime)
	}
	if err == nil {
		_, err = m.execute("cont", nil)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
