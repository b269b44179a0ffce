// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness/cache"
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
	return c.ready().Calibration.String() + "\nready at " + c.ready().Uptime.String() + "\n" + out.String(), notes, time.Since(began)
}

// TestSnapshotDigits: a guest that resumes gives the digits of one that booted, another seed gives others, and a damaged
// snapshot is made anew.
func TestSnapshotDigits(t *testing.T) {
	booted, _, slow := snapshotRun(t, 7, true)
	first, notes, _ := snapshotRun(t, 7, false)
	if len(notes) > 0 {
		t.Fatalf("no snapshot: %q", notes)
	}
	again, _, fast := snapshotRun(t, 7, false)
	if first != booted || again != booted {
		t.Errorf("booted:\n%s\nfirst resumed:\n%s\nagain:\n%s", booted, first, again)
	}
	t.Logf("booted in %v, resumed in %v", slow, fast)
	if other, _, _ := snapshotRun(t, 8, false); other == booted {
		t.Error("another seed gives the same digits")
	}
	dir, err := cache.Dir("snapshots")
	if err != nil {
		t.Fatal(err)
	}
	// The one that was used last.
	disks, _ := filepath.Glob(filepath.Join(dir, "*.qcow2"))
	newest, when := "", time.Time{}
	for _, d := range disks {
		if st, err := os.Stat(d); err == nil && st.ModTime().After(when) {
			newest, when = d, st.ModTime()
		}
	}
	f, err := os.OpenFile(newest, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := f.Seek(-4096, io.SeekEnd)
	b := []byte{0}
	_, _ = f.ReadAt(b, at)
	b[0] ^= 1
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := (snapshot{newest}).copy(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a flipped byte: %v", err)
	}
	if anew, _, _ := snapshotRun(t, 7, false); anew != booted {
		t.Errorf("after a flipped byte:\n%s\nnot\n%s", anew, booted)
	}
}

// TestSnapshotWholeOrNotAtAll: what fails while it is written leaves nothing that would be used.
func TestSnapshotWholeOrNotAtAll(t *testing.T) {
	t.Setenv(cache.Env, t.TempDir())
	boom := errors.New("disk full")
	if _, err := openSnapshot(context.Background(), "key", func(path string) error {
		if err := os.WriteFile(path, []byte("half"), 0o644); err != nil {
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
	build := func(path string) error { return os.WriteFile(path, []byte("whole"), 0o644) }
	f, err := openSnapshot(context.Background(), "key", build)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	// Killed between the disk and its sum: there is none.
	if err := os.Remove(filepath.Join(dir, "key.qcow2.json")); err != nil {
		t.Fatal(err)
	}
	made := false
	f, err = openSnapshot(context.Background(), "key", func(path string) error { made = true; return build(path) })
	if err != nil || !made {
		t.Errorf("without its sum: made anew %v, %v", made, err)
	}
	f.Close()
}

// TestPruneSnapshots: the snapshot that was used longest ago goes first, until the others fit.
func TestPruneSnapshots(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"old", "middle", "new"} {
		path := filepath.Join(dir, name+".qcow2")
		for _, p := range []string{path, path + ".json"} {
			if err := os.WriteFile(p, make([]byte, 1000), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		used := time.Now().Add(time.Duration(i-3) * time.Hour)
		if err := os.Chtimes(path, used, used); err != nil {
			t.Fatal(err)
		}
	}
	pruneSnapshots(dir, 2000)
	left, _ := filepath.Glob(filepath.Join(dir, "*.qcow2*"))
	if len(left) != 4 || strings.Contains(strings.Join(left, " "), "old") {
		t.Errorf("left: %q", left)
	}
}
