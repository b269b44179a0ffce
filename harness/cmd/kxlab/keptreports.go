// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/vm"
)

// reportsMax is how many reports of guests the cache holds; those used longest ago go first. One takes some 10 kB.
const reportsMax = 4096

// A report is what an exact guest reported in which nothing failed. A guest of the same vm.Cmd.Digest would report the same again.
type report struct {
	Made  time.Time // when the guest ended
	Ready vm.Ready
	Lines []byte // see runner.Guest
}

// reports are those in the cache, a file each.
type reports struct {
	dir   string
	fresh bool // what is asked for is removed, and made anew

	mu    sync.Mutex
	used  int
	first time.Time // when the oldest of the used ones was made
	all   int       // guests that were asked for
}

// openReports opens the reports in the cache. With fresh none is found, and new ones take the place of the old.
func openReports(fresh bool) (*reports, error) {
	dir, err := cache.Dir("reports")
	if err != nil {
		return nil, err
	}
	cache.Prune(dir, reportsMax)
	return &reports{dir: dir, fresh: fresh}, nil
}

// find returns the report of a digest: see read.
func (r *reports) find(ctx context.Context, digest string) (out report, ok bool) {
	out, ok = r.read(ctx, digest)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all++
	if !ok {
		return report{}, false
	}
	if r.used++; r.first.IsZero() || out.Made.Before(r.first) {
		r.first = out.Made
	}
	return out, true
}

// read reads a report, and counts nothing. A report that cannot be read is none, and is noted (cache.WithNote).
func (r *reports) read(ctx context.Context, digest string) (out report, ok bool) {
	path := filepath.Join(r.dir, digest)
	if r.fresh {
		_ = os.Remove(path) // what a guest reports now counts, also if it fails
		return report{}, false
	}
	if err := readKept(path, &out); err != nil {
		cache.Damaged(ctx, "the report "+path+" of an earlier guest", err, "the guest runs anew")
		return report{}, false
	}
	cache.Touch(path)
	return out, true
}

// readKept reads what writeKept wrote. A flipped bit is an error.
func readKept(path string, v any) error {
	packed, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return cache.Unpack(packed, v)
}

// writeKept writes a value into a file of the cache.
func writeKept(path string, v any) error {
	packed, err := cache.Pack(v)
	if err != nil {
		return err
	}
	return cache.WriteFile(path, func(f *os.File) error {
		_, err := f.Write(packed)
		return err
	})
}

// keep writes a report down. Without it the guest runs again.
func (r *reports) keep(digest string, ready vm.Ready, lines []byte) {
	_ = writeKept(filepath.Join(r.dir, digest), report{time.Now().UTC().Truncate(time.Second), ready, lines})
}

// note says how many reports were kept; "" if none was.
func (r *reports) note() string {
	if r == nil || r.used == 0 {
		return ""
	}
	return fmt.Sprintf("the reports of %d of %s kept, the first of %s: the same guests would report the same digits; --fresh runs them anew",
		r.used, harness.Plural(r.all, "guest"), r.first.Format("2006-01-02 15:04 MST"))
}
