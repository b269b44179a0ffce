// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
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
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/owner"
)

// A snapshot is an exact guest that has booted, is set up, idle and calibrated, and waits for its task. It depends on the kernel,
// the image, QEMU and the machine, and on no task and no seed. It lies in the cache as a disk in the format qcow2, beside a file
// that says how long it is and what it sums up to.
type snapshot struct {
	path string // of the disk; the other file has ".json" added
}

// snapshotName is what QEMU calls the state in the disk.
const snapshotName = "kxlab"

// snapshotSum is written last: a snapshot without it, or with another sum, is none.
type snapshotSum struct {
	Size int64  `json:"size"` // bytes
	CRC  uint32 `json:"crc"`  // CRC-32C of all bytes
}

// keepSnapshots is how many bytes of snapshots the cache holds; the one that was used longest ago goes first.
const keepSnapshots = 4 << 30

// resumeTime is how long QEMU may take to load a snapshot, by the wall clock.
const resumeTime = time.Minute

// watchdog stops the guest's machine when the guest asks for it: see receiveTask.
type watchdog struct{}

func (watchdog) args() []string { return []string{"-device", "ib700", "-action", "watchdog=pause"} }

// later hands a guest its task, from an open file.
type later struct{ fd int }

func (l later) args() []string {
	return []string{"-fw_cfg", fmt.Sprintf("name=%s,file=%s", taskItem, fdPath(l.fd))}
}

// store is the disk in which QEMU keeps snapshots. No guest sees it.
type store struct{ path string }

func (s store) args() []string {
	return []string{"-drive", "if=none,id=store,format=qcow2,file=" + s.path}
}

// resume starts a guest from the snapshot in the store, standing still.
type resume struct{}

func (resume) args() []string { return []string{"-S", "-loadvm", snapshotName} }

// snapshotKey sums up all that decides what a guest executes until it receives its task.
func snapshotKey(qemu string, devices []string, kernel, base string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "snapshot 2\n%q\n", devices)
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	for _, path := range []string{qemu, kernel, base} {
		st, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("name snapshot: %w", err)
		}
		changed := st.ModTime().UnixNano()
		if strings.HasPrefix(path, dir) { // its name sums up what it was made of, and its time says when it was used
			changed = 0
		}
		fmt.Fprintf(sum, "%q %d %d\n", path, st.Size(), changed)
	}
	return hex.EncodeToString(sum.Sum(nil))[:32], nil
}

// openSnapshot returns a copy of the snapshot for one guest, a file without a name. It is made first unless it is in the cache, by
// one process at a time.
func openSnapshot(ctx context.Context, key string, build func(path string) error) (*os.File, error) {
	dir, err := cacheDir("snapshots")
	if err != nil {
		return nil, err
	}
	s := snapshot{path: filepath.Join(dir, key+".qcow2")}
	if f, err := s.copy(dir); err == nil {
		return f, nil
	}
	lock, err := lockFile(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if f, err := s.copy(dir); err == nil { // made by another meanwhile
		return f, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.remove() // damaged
	}
	if err := s.make(dir, build); err != nil {
		return nil, err
	}
	pruneBytes(dir, keepSnapshots)
	return s.copy(dir)
}

// make writes the snapshot, whole or not at all.
func (s snapshot) make(dir string, build func(path string) error) error {
	tmp, err := os.CreateTemp(dir, "part-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // if it still has that name
	defer tmp.Close()
	if err := writeQCOW2(tmp); err != nil {
		return err
	}
	if err := build(tmp.Name()); err != nil {
		return err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	size, err := io.Copy(sum, tmp)
	if err == nil {
		err = tmp.Sync()
	}
	if err == nil {
		err = os.Rename(tmp.Name(), s.path)
	}
	if err != nil {
		return err
	}
	return writeFile(s.path+".json", func(w io.Writer) error {
		return json.NewEncoder(w).Encode(snapshotSum{Size: size, CRC: sum.Sum32()})
	})
}

// copy copies the snapshot into a file without a name. Its error wraps fs.ErrNotExist if there is none; any other says that it is damaged.
func (s snapshot) copy(dir string) (_ *os.File, err error) {
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
	to, err := os.CreateTemp(dir, "part-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			to.Close()
		}
	}()
	if err := os.Remove(to.Name()); err != nil {
		return nil, err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	size, err := io.CopyBuffer(io.MultiWriter(to, sum), struct{ io.Reader }{from}, make([]byte, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("copy snapshot: %w", err)
	}
	if have := (snapshotSum{Size: size, CRC: sum.Sum32()}); have != want {
		return nil, fmt.Errorf("read snapshot: damaged: %+v, not %+v", have, want)
	}
	touch(s.path)
	return to, nil
}

// remove takes the snapshot out of the cache.
func (s snapshot) remove() {
	_ = os.Remove(s.path + ".json")
	_ = os.Remove(s.path)
}

// pruneBytes removes what was used longest ago until a folder's snapshots fit, and what was half written long ago.
func pruneBytes(dir string, most int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	type file struct {
		path string
		size int64
		used time.Time
	}
	var files []file
	var total int64
	for _, e := range entries {
		st, err := e.Info()
		if err != nil {
			continue
		}
		path := filepath.Join(dir, e.Name())
		switch {
		case filepath.Ext(path) == ".qcow2":
			files = append(files, file{path, st.Size(), st.ModTime()})
			total += st.Size()
		case len(e.Name()) > 5 && e.Name()[:5] == "part-" && time.Since(st.ModTime()) > staleAfter:
			_ = os.Remove(path)
		}
	}
	slices.SortFunc(files, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range files {
		if total <= most {
			return
		}
		snapshot{f.path}.remove()
		total -= f.size
	}
}

// build boots a guest up to where it receives its task and keeps it in the disk at path.
func (c *Cmd) build(ctx context.Context, l *launch, path string, devices []string, initrd *os.File) error {
	m, theirs, err := monitorPair()
	if err != nil {
		return err
	}
	defer m.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		theirs.Close()
		return err
	}
	defer null.Close()
	// The order of devices is that of a guest that resumes.
	args := slices.Concat(devices, commandLine(later{firstFD + 1}, store{path}, monitorPort{firstFD + 2},
		mark{owner.Prefix + owner.Self() + "-guest"}, console{fd: firstFD + 3}, channel{fd: firstFD + 3}))
	process := exec.Command(l.qemu, append(args, "-S")...)
	process.ExtraFiles = []*os.File{initrd, null, theirs, null}
	var problem bytes.Buffer
	process.Stderr = &problem
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	var place func()
	if processor, one := c.processor(); one {
		place = func() { takeTurns(processor) }
	}
	ended, err := startOnThread(process, place)
	theirs.Close()
	if err != nil {
		return fmt.Errorf("make snapshot: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { m.Close() })
	defer stop()
	defer func() {
		_ = process.Process.Kill()
		<-ended
	}()
	if c.cpus() > 1 {
		if err := mainLoopFirst(process.Process.Pid); err != nil {
			return err
		}
	}
	if err := m.bootToTask(orElse(c.Boot, BootTime)); err != nil {
		return fmt.Errorf("make snapshot: %w: %s", err, lastLines(problem.String(), 3))
	}
	if err := m.human("savevm " + snapshotName); err != nil {
		return fmt.Errorf("make snapshot: %w", err)
	}
	_, err = m.execute("quit", nil)
	if err != nil {
		return fmt.Errorf("make snapshot: %w", err)
	}
	<-ended
	return nil
}

// bootToTask starts a guest that stands still and returns when it stands still again, before it receives its task. What the monitor
// does while the guest runs could be seen in it, so nothing is said in between.
func (m *monitor) bootToTask(patience time.Duration) error {
	if err := m.greet(resumeTime); err != nil {
		return err
	}
	if _, err := m.execute("cont", nil); err != nil {
		return err
	}
	if err := m.wait("STOP", patience); err != nil {
		return fmt.Errorf("the guest did not get ready: %w", err)
	}
	return nil
}

// proceed lets a guest go on that stands still before it receives its task.
func (m *monitor) proceed() error {
	_, err := m.execute("cont", nil)
	return err
}

// start starts the guest of a launch: one that boots first comes to where the other was kept.
func (l *launch) start(ctx context.Context, patience time.Duration) error {
	stop := context.AfterFunc(ctx, func() { l.monitor.Close() })
	defer stop()
	var err error
	if l.boots {
		err = l.monitor.bootToTask(patience)
	} else {
		err = l.monitor.greet(resumeTime)
	}
	if err == nil {
		err = l.monitor.proceed()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
