// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/labtest"
)

// snapshotRun runs the program that prints digits in an exact guest and returns what it printed, what was noted, and the time.
func snapshotRun(t *testing.T, seed uint64, boot bool) (string, []string, time.Duration) {
	t.Helper()
	c, out := guestCmd(t, "digits")
	var notes []string
	c.Exact, c.NoSnapshots, c.Note = &Exact{Seed: seed}, boot, func(s string) { notes = append(notes, s) }
	began := time.Now()
	if err := run(t, c); err != nil {
		t.Fatal(err)
	}
	checkCalibration(t, c.ready().Calibration)
	return c.ready().Calibration.String() + "\nready at " + c.ready().Uptime.String() + "\n" + out.String(), notes, time.Since(began)
}

// TestSnapshotDigits: a guest that resumes beside a load gives the digits of one that booted, another seed gives others, and a flipped byte
// shows; in make soak the damaged snapshot is made anew, too, and gives the same digits.
func TestSnapshotDigits(t *testing.T) {
	booted, _, slow := snapshotRun(t, 7, true)
	if other, _, _ := snapshotRun(t, 8, false); other == booted { // makes the snapshot if there is none, not beside the load
		t.Error("another seed gives the same digits")
	}
	stop := load()
	resumed, notes, fast := snapshotRun(t, 7, false)
	stop()
	if len(notes) > 0 {
		t.Fatalf("no snapshot: %q", notes)
	}
	if resumed != booted {
		t.Errorf("booted:\n%s\nresumed:\n%s", booted, resumed)
	}
	t.Logf("booted in %v, resumed beside a load in %v", slow, fast)
	mine := snapshotOf(t)
	for _, ext := range []string{ramExt, stateExt} {
		flip(t, mine.path+ext)
		if _, err := mine.open(); err == nil || !strings.Contains(err.Error(), "its checksum is another") {
			t.Errorf("a flipped byte in %s: %v", ext, err)
		}
		if ext == stateExt && labtest.Soak() {
			break // and stays damaged
		}
		flip(t, mine.path+ext)
		if f, err := mine.open(); err != nil {
			t.Errorf("flipped twice: %v", err)
		} else {
			f.Close()
		}
	}
	if !labtest.Soak() {
		return
	}
	if anew, _, _ := snapshotRun(t, 7, false); anew != booted {
		t.Errorf("after a flipped byte:\n%s\nnot\n%s", anew, booted)
	}
}

// snapshotOf is the snapshot of this test's guests. One of another process may be in use: a guest maps the file.
func snapshotOf(t *testing.T) snapshot {
	t.Helper()
	c, _ := exactCmd(t, "digits")
	a, err := c.chooseAccel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	qemu, self, err := c.hostFiles()
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := c.resumePoint(t.Context(), qemu, self, machine{accel: a, cpus: c.cpus(), memory: c.memory()})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := cache.Dir("snapshots")
	if err != nil {
		t.Fatal(err)
	}
	return snapshot{filepath.Join(dir, key)}
}

// flip flips a bit of a file's last page that is not zero. A short file is its own last page.
func flip(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b, zeros := make([]byte, 4096), make([]byte, 4096)
	b = b[:min(len(b), int(st.Size()))]
	for at := st.Size() - int64(len(b)); at >= 0; at -= 4096 {
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(b, zeros[:len(b)]) {
			continue
		}
		b[0] ^= 1
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the file has zeros only")
}

// TestSumFile: the sum of a sparse file is that of one with its zeros written out, whose zeros are taken out; any change shows.
func TestSumFile(t *testing.T) {
	content := make([]byte, 5*sumBlock+100)
	content[0], content[3*sumBlock+7], content[len(content)-1] = 1, 2, 3
	write := func(sparse bool, change func([]byte)) *os.File {
		b := bytes.Clone(content)
		if change != nil {
			change(b)
		}
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := f.Truncate(int64(len(b))); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(b); at += sumBlock {
			if p := b[at:min(at+sumBlock, len(b))]; !sparse || !bytes.Equal(p, make([]byte, len(p))) {
				if _, err := f.WriteAt(p, int64(at)); err != nil {
					t.Fatal(err)
				}
			}
		}
		return f
	}
	sum := func(f *os.File, zero func(*os.File, int64) error) fileSum {
		s, err := sumFile(f, zero)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := sum(write(true, nil), nil)
	full := write(false, nil)
	holes := 0
	if got := sum(full, func(f *os.File, at int64) error { holes++; return punch(f, at) }); got != want || holes != 3 {
		t.Errorf("written out: %+v, %d blocks of zeros; want %+v and 3", got, holes, want)
	}
	if got := sum(full, nil); got != want {
		t.Errorf("taken out: %+v, want %+v", got, want)
	}
	for name, change := range map[string]func([]byte){
		"a bit":            func(b []byte) { b[3*sumBlock+7] ^= 1 },
		"the last byte":    func(b []byte) { b[len(b)-1] = 0 },
		"a block moved":    func(b []byte) { b[3*sumBlock+7], b[4*sumBlock+7] = 0, 2 },
		"a byte in a hole": func(b []byte) { b[2*sumBlock] = 1 },
	} {
		if got := sum(write(true, change), nil); got == want {
			t.Errorf("%s: the same sum", name)
		}
	}
}

// TestSnapshotWholeOrNotAtAll: what fails while it is written leaves nothing that would be used; what is damaged is made anew.
func TestSnapshotWholeOrNotAtAll(t *testing.T) {
	t.Setenv(cache.Env, t.TempDir())
	boom := errors.New("disk full")
	if _, err := openSnapshot(context.Background(), "key", func(f *snapshotFiles) error {
		if _, err := f.ram.WriteString("half"); err != nil {
			t.Error(err)
		}
		return boom
	}); !errors.Is(err, boom) {
		t.Errorf("a failed build: %v", err)
	}
	dir, _ := cache.Dir("snapshots")
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 || filepath.Base(left[0]) != "lock" {
		t.Errorf("left: %q", left)
	}
	build := func(f *snapshotFiles) error { _, err := f.ram.WriteString("whole"); return err }
	f, err := openSnapshot(context.Background(), "key", build)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	// Killed before the sum was written: there is no snapshot.
	if err := os.Remove(filepath.Join(dir, "key"+sumExt)); err != nil {
		t.Fatal(err)
	}
	made := false
	again := func(what string, want bool, says ...string) {
		made = false
		var said []string
		ctx := cache.WithNote(t.Context(), func(text string) { said = append(said, text) })
		f, err := openSnapshot(ctx, "key", func(f *snapshotFiles) error { made = true; return build(f) })
		if err != nil || made != want {
			t.Fatalf("%s: made anew %v, want %v: %v", what, made, want, err)
		}
		f.Close()
		if !slices.Equal(said, says) {
			t.Errorf("%s: said %q, want %q", what, said, says)
		}
	}
	again("without its sum", true)
	again("whole", false)
	flip(t, filepath.Join(dir, "key"+ramExt))
	again("after a flipped byte", true, "the snapshot "+filepath.Join(dir, "key")+" in the cache is damaged (read snapshot: its checksum is another): a new one is made")
	again("made anew", false)
}

// TestPruneSnapshots: the snapshot that was used longest ago goes first, until the others fit; files of none go.
func TestPruneSnapshots(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int, used time.Duration) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(used)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"old", "middle", "new"} {
		write(name+ramExt, 64<<10, -9*time.Hour)
		write(name+stateExt, 64<<10, -9*time.Hour)
		write(name+sumExt, 10, time.Duration(i-3)*time.Hour)
	}
	write("half"+ramExt, 10, 0)
	write("gone"+sumExt, 10, 0)
	write("lock", 0, 0)
	pruneSnapshots(dir, 256<<10)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := harness.Map(entries, func(e os.DirEntry) string { return e.Name() })
	want := []string{"lock", "middle.json", "middle.qcow2", "middle.ram", "new.json", "new.qcow2", "new.ram"}
	if !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

// TestSnapshotWaits: while another process makes the snapshot, a guest that is ended does not wait on, and builds nothing.
func TestSnapshotWaits(t *testing.T) {
	t.Setenv(cache.Env, t.TempDir())
	dir, err := cache.Dir("snapshots")
	if err != nil {
		t.Fatal(err)
	}
	held, err := cache.Lock(t.Context(), filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := openSnapshot(ctx, "key", func(*snapshotFiles) error { return errors.New("built without the lock") })
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it waits on")
	}
}

// TestSnapshotTimeout: a guest whose time is over while its snapshot is made says that, not what was closed for it.
func TestSnapshotTimeout(t *testing.T) {
	c, _ := exactCmd(t, "sleep")
	t.Setenv(cache.Env, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := c.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
