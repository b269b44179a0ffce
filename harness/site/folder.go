// SPDX-License-Identifier: Apache-2.0

package site

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/owner"
)

// marker is the file that makes a folder one of a site. Its first line is markerHead, then it names the site's files, one a line.
const (
	marker     = ".kxlab-site"
	markerHead = "kxlab site 1"
)

// ErrNotSite is the error about a folder that may not be replaced.
var ErrNotSite = errors.New("not a folder that kxlab site made")

// Write puts the files in the place of the site in dir, as a whole: they are written beside it and change places with it. dir may be
// missing, empty, or hold a site and nothing else; any other folder is ErrNotSite.
func Write(dir string, files map[string][]byte) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("write site: %w", err)
	}
	there, err := check(dir)
	if err != nil {
		return fmt.Errorf("write site %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("write site: %w", err)
	}
	beside := partOf(dir, owner.Self())
	if err := errors.Join(removeDead(dir), os.Mkdir(beside, 0o755)); err != nil {
		return fmt.Errorf("write site: %w", err)
	}
	defer os.RemoveAll(beside) // after the change it is the old site
	if err := fill(beside, files); err != nil {
		return fmt.Errorf("write site: %w", err)
	}
	if !there {
		err = os.Rename(beside, dir)
	} else if err = unix.Renameat2(unix.AT_FDCWD, beside, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE); errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = swap(beside, dir)
	}
	if err != nil {
		return fmt.Errorf("write site %s: %w", dir, err)
	}
	return nil
}

// partOf is the folder beside a site in which a process writes the next one.
func partOf(dir, process string) string {
	return filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+"."+owner.Prefix+process)
}

// removeDead removes what killed processes left beside a site.
func removeDead(dir string) error {
	entries, err := os.ReadDir(filepath.Dir(dir))
	errs := []error{err}
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), "."+filepath.Base(dir)+"."); ok && owner.Dead(name) {
			errs = append(errs, os.RemoveAll(filepath.Join(filepath.Dir(dir), e.Name())))
		}
	}
	return errors.Join(errs...)
}

// Check returns ErrNotSite, with the reason, if dir may not be replaced by a site.
func Check(dir string) error {
	if _, err := check(dir); err != nil {
		return fmt.Errorf("write site %s: %w", dir, err)
	}
	return nil
}

// check is Check; there says whether the folder exists.
func check(dir string) (there bool, err error) {
	st, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case st.Mode()&fs.ModeSymlink != 0:
		return true, fmt.Errorf("%w: it is a symbolic link: name the folder that it leads to", ErrNotSite)
	case !st.IsDir():
		return true, fmt.Errorf("%w: it is no folder", ErrNotSite)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return true, err
	}
	const remedy = "name a new or empty folder"
	text, err := os.ReadFile(filepath.Join(dir, marker))
	if errors.Is(err, fs.ErrNotExist) {
		return true, fmt.Errorf("%w: it has no %s; %s", ErrNotSite, marker, remedy)
	} else if err != nil {
		return true, err
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if lines[0] != markerHead {
		return true, fmt.Errorf("%w: %s is of another version; %s", ErrNotSite, marker, remedy)
	}
	for _, e := range entries {
		if e.Name() != marker && !slices.Contains(lines[1:], e.Name()) {
			return true, fmt.Errorf("%w alone: %s is not of the site; move it away, or %s", ErrNotSite, e.Name(), remedy)
		}
	}
	return true, nil
}

// fill writes the files and the marker into an empty folder.
func fill(dir string, files map[string][]byte) error {
	for _, path := range paths(files) {
		if err := os.WriteFile(filepath.Join(dir, path), files[path], 0o644); err != nil {
			return err
		}
	}
	text := markerHead + "\n" + strings.Join(paths(files), "\n") + "\n"
	return os.WriteFile(filepath.Join(dir, marker), []byte(text), 0o644)
}

// swap has two folders change places on a file system that cannot do so at once. If it fails half way, the old folder is put back.
func swap(beside, dir string) error {
	old := beside + ".old"
	if err := os.Rename(dir, old); err != nil {
		return err
	}
	if err := os.Rename(beside, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return os.RemoveAll(old)
}
