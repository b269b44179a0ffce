// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A FileError says why a file or folder that a user named cannot be read.
type FileError struct {
	Path, Why string
	cause     error // of package fs; nil: none
}

func (e *FileError) Error() string { return e.Path + ": " + e.Why }
func (e *FileError) Unwrap() error { return e.cause }

// Missing turns the error of opening a path that the user named into a FileError. If the path does not exist, the FileError proposes the
// most similar name in the same folder. The argument what is "file" or "folder".
func Missing(what, path string, err error) error {
	var cause *fs.PathError
	if !errors.Is(err, fs.ErrNotExist) {
		if errors.As(err, &cause) {
			return &FileError{path, cause.Err.Error(), cause.Err}
		}
		return err
	}
	why := "no such " + what
	entries, _ := os.ReadDir(filepath.Dir(path)) // without it there is no proposal
	ext := filepath.Ext(path)                    // which makes all names alike
	var stems []string
	for _, e := range entries {
		if stem, ok := strings.CutSuffix(e.Name(), ext); ok && e.IsDir() == (what == "folder") {
			stems = append(stems, stem)
		}
	}
	if near := harness.Closest(strings.TrimSuffix(filepath.Base(path), ext), stems); near != "" {
		why += fmt.Sprintf(", did you mean %q?", filepath.Join(filepath.Dir(path), near+ext))
	}
	return &FileError{path, why, fs.ErrNotExist}
}

// ReadRegular reads a file of at most most bytes that a user named. A FIFO or a device, which may never end, is refused.
func ReadRegular(path string, most int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, Missing("file", path, err)
	}
	if !st.Mode().IsRegular() || st.Size() > most {
		return nil, &FileError{Path: path, Why: fmt.Sprintf("not a regular file of at most %d KiB", most>>10)}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, Missing("file", path, err)
	}
	return raw, nil
}
