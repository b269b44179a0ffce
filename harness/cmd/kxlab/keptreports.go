// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

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

// reports are those in the cache, a file each, compressed so that a damaged one is noticed.
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

// find returns the report of a digest. A report that cannot be read is none.
func (r *reports) find(digest string) (out report, ok bool) {
	out, ok = r.read(digest)
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

// read reads a report, and counts nothing.
func (r *reports) read(digest string) (out report, ok bool) {
	path := filepath.Join(r.dir, digest)
	if r.fresh {
		_ = os.Remove(path) // what a guest reports now counts, also if it fails
		return report{}, false
	}
	out, err := readReport(path)
	if err != nil {
		return report{}, false
	}
	cache.Touch(path)
	return out, true
}

func readReport(path string) (out report, err error) {
	f, err := os.Open(path)
	if err != nil {
		return out, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return out, err
	}
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(z); err != nil { // to the end, where the sum is
		return out, err
	}
	return out, json.Unmarshal(raw.Bytes(), &out)
}

// keep writes a report down. Without it the guest runs again.
func (r *reports) keep(digest string, ready vm.Ready, lines []byte) {
	out := report{time.Now().UTC().Truncate(time.Second), ready, lines}
	_ = cache.WriteFile(filepath.Join(r.dir, digest), func(f *os.File) error {
		z := gzip.NewWriter(f)
		if err := json.NewEncoder(z).Encode(out); err != nil {
			return err
		}
		return z.Close()
	})
}

// note says how many reports were kept; "" if none was.
func (r *reports) note() string {
	if r == nil || r.used == 0 {
		return ""
	}
	return fmt.Sprintf("the reports of %d of %d guests kept, the first of %s: the same guests would report the same digits; --fresh runs them anew",
		r.used, r.all, r.first.Format("2006-01-02 15:04 MST"))
}
