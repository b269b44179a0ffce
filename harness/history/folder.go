// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/kxlab/kxlab/harness/record"
)

// ext ends the names of a history's files.
const ext = ".txt"

// ErrThere says that a history has a run of that commit and setting.
var ErrThere = errors.New("the history has such a run of this commit")

// Add adds a run to the history in a folder, which is made if need be. The commit's file is written as a whole or not at all. Two writers
// at once wait for one another. A run that is there is replaced only if replace says so; without, the error wraps ErrThere.
func Add(dir string, e Entry, run Run, replace bool) error {
	if !hash.MatchString(e.Commit) {
		return fmt.Errorf("add to history: commit %q is no whole hash (40 or 64 hexadecimal digits)", e.Commit)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("add to history: %w", err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("add to history: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock history %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("add to history: %w", err)
	}
	defer root.Close()
	if err := record.RemoveTemp(root, "."); err != nil {
		return fmt.Errorf("add to history: %w", err)
	}
	name := e.Commit + ext
	if have, err := readFile(root, dir, name, map[string]string{}); err == nil {
		e.Runs = have.Runs
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("add to history: %w; mend or remove that file first", err)
	}
	at := slices.IndexFunc(e.Runs, func(r Run) bool { return r.Setting == run.Setting })
	switch {
	case at < 0:
		e.Runs = append(e.Runs, run)
	case replace:
		e.Runs[at] = run
	default:
		return fmt.Errorf("add to history: %w: %s at %.12s", ErrThere, run.Setting, e.Commit)
	}
	var b bytes.Buffer
	if err := e.Write(&b); err != nil {
		return fmt.Errorf("add to history: %w", err)
	}
	if err := record.WriteFile(root, name, b.Bytes()); err != nil {
		return fmt.Errorf("add to history: %w", err)
	}
	return nil
}

// readFile reads one file of a history.
func readFile(root *os.Root, dir, name string, names map[string]string) (Entry, error) {
	st, err := root.Lstat(name)
	if err != nil {
		return Entry{}, err
	}
	path := filepath.Join(dir, name)
	if !st.Mode().IsRegular() {
		return Entry{}, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := root.Open(name)
	if err != nil {
		return Entry{}, err
	}
	defer f.Close()
	e, err := read(f, path, names)
	if err == nil && e.Commit+ext != name {
		err = fmt.Errorf("%s: it is of commit %s", path, e.Commit)
	}
	return e, err
}

// Open reads the history in a folder, in no order. Files that are damaged are left out and named in the error, which is beside what could
// be read.
func Open(dir string) ([]Entry, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	defer root.Close()
	listed, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	var files []string
	for _, f := range listed {
		if strings.HasSuffix(f.Name(), ext) && hash.MatchString(strings.TrimSuffix(f.Name(), ext)) {
			files = append(files, f.Name())
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("open history: %s has no file of a commit; kxlab history add writes them", dir)
	}
	entries, errs := make([]Entry, len(files)), make([]error, len(files))
	var all sync.WaitGroup
	workers := runtime.NumCPU()
	for w := range workers {
		all.Go(func() {
			names := map[string]string{}
			for i := w; i < len(files); i += workers {
				entries[i], errs[i] = readFile(root, dir, files[i], names)
			}
		})
	}
	all.Wait()
	var out []Entry
	for i, e := range entries {
		if errs[i] == nil {
			out = append(out, e)
		}
	}
	return out, errors.Join(errs...)
}
