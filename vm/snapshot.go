// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
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
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/cache"
)

// A snapshot is an exact guest that has booted, is set up, idle and calibrated, and waits for its task. It depends on the kernel,
// the image, QEMU and the machine, but on no task and no seed. It lies in the cache as three files: the guest's memory, which guests
// that resume map, and of which each copies the pages that it writes to; the state of QEMU's devices, in a disk; and a snapshotSum.
type snapshot struct {
	path string // without an ending
}

// The endings of a snapshot's files.
const (
	sumExt   = ".json"
	ramExt   = ".ram"
	stateExt = ".qcow2"
)

// snapshotName is the name of the state in the disk.
const snapshotName = "kxlab"

// A snapshotSum describes the files of a complete snapshot. It is written last; a snapshot without its sum does not count.
type snapshotSum struct {
	RAM   fileSum `json:"ram"`
	State fileSum `json:"state"`
}

// A fileSum describes a file's content.
type fileSum struct {
	Size int64  `json:"size"` // bytes
	CRC  uint32 `json:"crc"`  // CRC-32C of its blocks that are not zero, each after its number
}

// snapshotFiles are the open files of a snapshot. The state of one that is opened to be resumed is a copy in memory: QEMU
// writes to it.
type snapshotFiles struct{ ram, state *os.File }

func (f *snapshotFiles) Close() error { return errors.Join(f.ram.Close(), f.state.Close()) }

// snapshotsMax limits the snapshots in the cache, bytes; the least recently used are removed.
const snapshotsMax = 4 << 30

// greetTime limits the wall-clock time in which QEMU starts and loads a snapshot, on a machine that may run twenty guests.
const greetTime = 5 * time.Minute

// watchdog stops the guest at the guest's request: see receiveTask.
type watchdog struct{}

func (watchdog) args() []string { return []string{"-device", "ib700", "-action", "watchdog=pause"} }

// taskDevice passes a guest its task, from an open file.
type taskDevice struct{ fd int }

func (d taskDevice) args() []string {
	return []string{"-fw_cfg", fmt.Sprintf("name=%s,file=%s", taskItem, fdPath(d.fd))}
}

// store is the disk in which QEMU stores the state of a snapshot. The guest does not see it.
type store struct{ fd int }

func (s store) args() []string {
	return []string{"-drive", "if=none,id=store,format=qcow2,file=" + fdPath(s.fd)}
}

// snapshotKey returns a hash of all that decides which instructions a guest executes until it receives its task.
func snapshotKey(qemu string, devices []string, kernel, base string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "snapshot 3\n%q\n", devices)
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

// openSnapshot opens the snapshot of a key. If the cache does not have it, one process makes it and others wait.
func openSnapshot(ctx context.Context, key string, build func(*snapshotFiles) error) (*snapshotFiles, error) {
	dir, err := cache.Dir("snapshots")
	if err != nil {
		return nil, err
	}
	s := snapshot{path: filepath.Join(dir, key)}
	if f, err := s.open(); err == nil {
		return f, nil
	}
	lock, err := cache.Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if f, err := s.open(); err == nil { // made by another process meanwhile
		return f, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		cache.Damaged(ctx, "the snapshot "+s.path, err, "a new one is made")
		s.remove()
	}
	if err := cache.RemoveParts(dir); err != nil {
		return nil, err
	}
	if err := s.make(build); err != nil {
		return nil, err
	}
	pruneSnapshots(dir, snapshotsMax)
	return s.open()
}

// make writes the snapshot, its sum last.
func (s snapshot) make(build func(*snapshotFiles) error) error {
	var sum snapshotSum
	if err := cache.WriteFile(s.path+ramExt, func(ram *os.File) error {
		return cache.WriteFile(s.path+stateExt, func(state *os.File) (err error) {
			if err := writeQCOW2(state); err != nil {
				return err
			}
			if err := build(&snapshotFiles{ram, state}); err != nil {
				return err
			}
			if sum.RAM, err = sumFile(ram, punch); err != nil {
				return err
			}
			if sum.State, err = sumFile(state, nil); err != nil {
				return err
			}
			return errors.Join(ram.Sync(), state.Sync())
		})
	}); err != nil {
		return err
	}
	return cache.WriteFile(s.path+sumExt, func(f *os.File) error { return json.NewEncoder(f).Encode(sum) })
}

// open opens the snapshot after it has compared its content with its sum. If there is no snapshot, the error wraps fs.ErrNotExist;
// other errors mean that it is damaged, or cannot be used.
func (s snapshot) open() (_ *snapshotFiles, err error) {
	raw, err := os.ReadFile(s.path + sumExt)
	if err != nil {
		return nil, err
	}
	var want, have snapshotSum
	if err := json.Unmarshal(raw, &want); err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	// QEMU opens the memory for writing, and maps it so that nothing is written to the file.
	ram, err := os.OpenFile(s.path+ramExt, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	var state *os.File
	content, err := os.ReadFile(s.path + stateExt)
	if err == nil {
		state, err = inMemory("state", content)
	}
	if err != nil {
		ram.Close()
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	f := &snapshotFiles{ram, state}
	if have.RAM, err = sumFile(ram, nil); err == nil {
		have.State, err = sumFile(state, nil)
	}
	if err == nil && have != want {
		err = errors.New("its checksum is another")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	cache.Touch(s.path + sumExt)
	return f, nil
}

// sumBlock is the size of the blocks of a fileSum, bytes.
const sumBlock = 64 << 10

// sumFile reads a file, which may be sparse, and returns its sum. Zero, which may be nil, is called with each block of zeros that the
// file holds.
func sumFile(f *os.File, zero func(f *os.File, at int64) error) (fileSum, error) {
	st, err := f.Stat()
	if err != nil {
		return fileSum{}, err
	}
	sum := fileSum{Size: st.Size()}
	table, zeros, b := crc32.MakeTable(crc32.Castagnoli), make([]byte, sumBlock), make([]byte, 8+sumBlock)
	for at := int64(0); at < sum.Size; at += sumBlock {
		next, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // no data up to the end
			break
		}
		if err == nil {
			at = next &^ (sumBlock - 1)
		}
		n, err := f.ReadAt(b[8:], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return sum, err
		}
		if !bytes.Equal(b[8:8+n], zeros[:n]) {
			binary.LittleEndian.PutUint64(b, uint64(at/sumBlock))
			sum.CRC = crc32.Update(sum.CRC, table, b[:8+n])
		} else if zero != nil {
			if err := zero(f, at); err != nil {
				return sum, err
			}
		}
	}
	return sum, nil
}

// punch takes a block of zeros out of a file, where the file system can do that.
func punch(f *os.File, at int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, sumBlock)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// remove removes the sum first.
func (s snapshot) remove() {
	for _, ext := range []string{sumExt, ramExt, stateExt} {
		_ = os.Remove(s.path + ext)
	}
}

// disk returns how much of the disk the snapshot takes, bytes.
func (s snapshot) disk() (n int64) {
	for _, ext := range []string{ramExt, stateExt} {
		var st unix.Stat_t
		if unix.Stat(s.path+ext, &st) == nil {
			n += st.Blocks * 512
		}
	}
	return n
}

// pruneSnapshots removes the least recently used snapshots of a folder until the others take at most limit bytes, and what is left of
// snapshots that have no sum. The caller holds the folder's lock.
func pruneSnapshots(dir string, limit int64) {
	var total int64
	for _, f := range cache.Files(dir) {
		path, ext := strings.TrimSuffix(f.Path, filepath.Ext(f.Path)), filepath.Ext(f.Path)
		s := snapshot{path}
		switch {
		case ext == sumExt:
			if total += s.disk(); total > limit || !exists(path+ramExt) {
				s.remove()
			}
		case ext == "": // the lock
		case !exists(path + sumExt):
			_ = os.Remove(f.Path)
		}
	}
}

// makeSnapshot boots a guest up to the point where it receives its task and stores it.
func (c *Cmd) makeSnapshot(ctx context.Context, qemu string, m machine, k kernelImage, to *snapshotFiles) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("make snapshot: %w", err)
		}
	}()
	if err := to.ram.Truncate(m.memory); err != nil {
		return err
	}
	monitor, remote, err := monitorPair()
	if err != nil {
		return err
	}
	defer monitor.Close()
	defer remote.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	m.ram = &ramFile{fd: firstFD + 1, shared: true}
	process := exec.Command(qemu, exactLine(m, taskDevice{firstFD + 2}, k, store{firstFD + 3}, monitorPort{firstFD + 4},
		ownerName{}, console{fd: firstFD + 5}, channel{fd: firstFD + 5})...)
	process.ExtraFiles = []*os.File{k.file, to.ram, null, to.state, remote, null}
	var stderr bytes.Buffer
	process.Stderr = &stderr
	ended, err := c.startQEMU(process)
	if err != nil {
		return err
	}
	remote.Close() // or the end of QEMU would not be the end of the connection
	stop := context.AfterFunc(ctx, func() { monitor.Close() })
	defer stop()
	defer func() {
		_ = process.Process.Kill()
		<-ended
	}()
	if err = monitor.bootToTask(cmp.Or(c.Boot, BootTime)); err == nil {
		err = monitor.snapshot("savevm")
	}
	if err == nil {
		_, err = monitor.execute("quit", nil)
	}
	if err != nil {
		_ = process.Process.Kill()
		<-ended
		return lastWords(err, process, &stderr)
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

// start starts the guest of a launch, which is stopped. A guest that boots first runs to the point at which snapshots are made.
func (l *launch) start(ctx context.Context, timeout time.Duration) error {
	m := l.monitor
	stop := context.AfterFunc(ctx, func() { m.Close() })
	defer stop()
	var err error
	if l.boots {
		err = m.bootToTask(timeout)
	} else {
		err = m.greet(greetTime)
		if err == nil {
			err = m.snapshot("loadvm")
		}
	}
	if err == nil {
		_, err = m.execute("cont", nil)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
