// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kxlab/kxlab/harness/record"
)

// checkOut refuses a folder of --out that is not empty if runs get folders below it: record.Create sees only those.
func (f runFlags) checkOut(jobs []job) error {
	for _, j := range jobs {
		if f.out != "" && j.dir != f.out {
			return record.CheckEmpty(f.out)
		}
	}
	return nil
}

// errThere refuses to replace what the user has.
var errThere = errors.New("it is there already, and nothing is overwritten")

// stdout is --out of commands that write a file, if the user names none.
const stdout = "-"

// writeOut writes to what the user names: "-" is standard output, a device or a FIFO is written to, a link is followed, and a new file is written as a
// whole or not at all. A file that has content is an error.
func writeOut(s streams, path string, raw []byte) error {
	if path == stdout {
		_, err := s.out.Write(raw)
		return err
	}
	if err := writePath(s, path, raw); err != nil {
		if file := (*fs.PathError)(nil); errors.As(err, &file) {
			err = file.Err
		}
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func writePath(s streams, path string, raw []byte) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writeWhole(path, raw)
	case err != nil:
		return err
	case st.IsDir():
		return errors.New("it is a folder: name a file")
	case st.Mode().IsRegular() && st.Size() > 0:
		return errThere
	}
	if !st.Mode().IsRegular() {
		s.endAtOnce() // the open of a FIFO waits for its reader
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err != nil && st.Mode().IsRegular() {
		err = errors.Join(err, f.Truncate(0)) // no half plan
	}
	return errors.Join(err, f.Close())
}

// mostLinks bounds how many links are followed, as the kernel's own limit (MAXSYMLINKS).
const mostLinks = 40

// writeWhole writes a new file as a whole or not at all, in a folder that it makes. A link to nowhere is followed.
func writeWhole(path string, raw []byte) error {
	for range mostLinks {
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	return record.WriteFile(root, filepath.Base(path), raw)
}
