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

	"github.com/kxlab/kxlab/harness"
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
		err := fmt.Errorf("add to history: %w: %s at %.12s", ErrThere, run.Setting, e.Commit)
		if other := environment(e.Runs[at], run); len(other) > 0 {
			err = fmt.Errorf("%w; what differs is the %s: keep a folder for each (--history)", err, strings.Join(other, ", "))
		}
		return err
	}
	data, err := e.file()
	if err != nil {
		return fmt.Errorf("add to history: %w", err)
	}
	if err := record.WriteFile(root, name, data); err != nil {
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
	if st.Size() > mostBytes {
		return Entry{}, fmt.Errorf("%s: it has %d bytes, more than %d", path, st.Size(), mostBytes)
	}
	data, err := root.ReadFile(name)
	if err != nil {
		return Entry{}, err
	}
	summed, err := checkSum(data, path)
	if err != nil {
		return Entry{}, err
	}
	e, err := read(bytes.NewReader(data), path, names)
	e.summed = summed
	if err == nil && e.Commit+ext != name {
		err = fmt.Errorf("%s: it is of commit %s", path, e.Commit)
	}
	return e, err
}

// Open reads the history in a folder, in no order, and remarks on files that it does not read, or cannot check. Files that are damaged are
// left out and named in the error, which is beside the others.
func Open(dir string) (entries []Entry, remarks []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open history: %w", err)
	}
	defer root.Close()
	listed, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, nil, fmt.Errorf("open history: %w", err)
	}
	var files []string
	for _, f := range listed {
		switch name := f.Name(); {
		case hash.MatchString(strings.TrimSuffix(name, ext)) && strings.HasSuffix(name, ext):
			files = append(files, name)
		case strings.HasSuffix(name, ext) && name != notesFile && !strings.HasPrefix(name, "."):
			remarks = append(remarks, fmt.Sprintf("%s is not read: its name is not a commit's whole hash in small letters and %s", filepath.Join(dir, name), ext))
		}
	}
	if len(files) == 0 {
		return nil, remarks, fmt.Errorf("open history: %s has no file of a commit; kxlab history add writes them", dir)
	}
	all, errs := make([]Entry, len(files)), make([]error, len(files))
	var readers sync.WaitGroup
	workers := runtime.NumCPU()
	for w := range workers {
		readers.Go(func() {
			names := map[string]string{}
			for i := w; i < len(files); i += workers {
				all[i], errs[i] = readFile(root, dir, files[i], names)
			}
		})
	}
	readers.Wait()
	for i, e := range all {
		if errs[i] == nil {
			entries = append(entries, e)
		}
	}
	if n := harness.Count(entries, func(e Entry) bool { return !e.summed }); n > 0 {
		remarks = append(remarks, fmt.Sprintf("%s without a sum, as older labs wrote them: whether they are whole cannot be checked", harness.Plural(n, "file")))
	}
	return entries, remarks, errors.Join(errs...)
}
