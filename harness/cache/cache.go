// SPDX-License-Identifier: Apache-2.0

// Package cache keeps what is costly to make again in a folder of the user's: kernels, images, snapshots of guests, verdicts of gates.
// Files are written whole or not at all.
package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Env names the environment variable that says where the cache is.
const Env = "KXLAB_CACHE"

// Dir makes and returns a folder of the lab's cache: below $KXLAB_CACHE, or kxlab in the user's cache folder.
func Dir(parts ...string) (string, error) {
	base := os.Getenv(Env)
	if base == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find cache folder: %w: set %s", err, Env)
		}
		base = filepath.Join(user, "kxlab")
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return "", fmt.Errorf("find cache folder: %w", err)
	}
	dir := filepath.Join(append([]string{base}, parts...)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	return dir, nil
}

// Lock waits for an exclusive lock on a file, which it creates if it is missing. A wait of more than waitNote is noted: see
// WithNote. Closing the file releases the lock, so a process that dies holds none.
func Lock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	late := time.AfterFunc(waitNote, func() {
		note(ctx, "waiting for "+path+": a guest of this run, or another kxlab, fills this folder, which happens once")
	})
	defer late.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch err {
		case nil:
			return f, nil
		case unix.EWOULDBLOCK, unix.EINTR:
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
}

// waitNote is how long Lock waits before it says so.
const waitNote = 2 * time.Second

// noteKey is the key of a context's notes.
type noteKey struct{}

// notes are those of one command. Guests that wait side by side for one lock make one note.
type notes struct {
	write func(string)
	mu    sync.Mutex
	said  []string
}

// WithNote returns a context with which Lock passes a message to write when it waits for long, and Damaged one, once for each file.
func WithNote(ctx context.Context, write func(string)) context.Context {
	return context.WithValue(ctx, noteKey{}, &notes{write: write})
}

// note passes a message to the writer of WithNote, once.
func note(ctx context.Context, text string) {
	n, ok := ctx.Value(noteKey{}).(*notes)
	if !ok || ctx.Err() != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Contains(n.said, text) {
		n.said = append(n.said, text)
		n.write(text)
	}
}

// Damaged notes once that a file of the cache, named by what, cannot be used, and what is done instead: see WithNote. A file that is not
// there is not damaged.
func Damaged(ctx context.Context, what string, err error, instead string) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		note(ctx, fmt.Sprintf("%s in the cache is damaged (%v): %s", what, err, instead))
	}
}

// PartPrefix begins the names of unfinished files and folders.
const PartPrefix = "part-"

// RemoveParts removes what killed processes left unfinished in a folder. The caller holds its lock, as does who writes there.
func RemoveParts(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, PartPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// MakePart makes a folder for unfinished content in dir and removes those of killed processes. The caller holds the lock of dir.
func MakePart(dir string) (string, error) {
	if err := RemoveParts(dir); err != nil {
		return "", err
	}
	return os.MkdirTemp(dir, PartPrefix)
}

// WriteFile creates or replaces a file atomically. Write fills it under a temporary name.
func WriteFile(path string, write func(*os.File) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), PartPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after the rename
	defer tmp.Close()
	if err := write(tmp); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// sumExt ends the names of the sums of a folder's files.
const sumExt = ".sum"

// WriteSummed is WriteFile with a sum beside the file, by which Whole knows it again. The sum is there before the file.
func WriteSummed(path string, write func(*os.File) error) error {
	return WriteFile(path, func(f *os.File) error {
		if err := write(f); err != nil {
			return err
		}
		sum, err := sumOf(f.Name())
		if err != nil {
			return err
		}
		return WriteFile(path+sumExt, func(f *os.File) error { _, err := f.WriteString(sum); return err })
	})
}

// Whole returns an error if a file that WriteSummed wrote has another content now. A file without a sum counts as damaged.
func Whole(path string) error {
	want, err := os.ReadFile(path + sumExt)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it has no checksum")
	}
	if err != nil {
		return err
	}
	have, err := sumOf(path)
	if err == nil && have != string(want) {
		err = errors.New("its checksum is another")
	}
	return err
}

// sumOf is the size and the CRC-32C of a file.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	n, err := io.Copy(sum, f)
	return fmt.Sprintf("%d %08x\n", n, sum.Sum32()), err
}

// Touch records in the file's times that a file of the cache was used.
func Touch(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}

// StaleAfter is the age at which a temporary file counts as abandoned.
const StaleAfter = time.Hour

// A File is a file in a folder of the cache.
type File struct {
	Path string
	Size int64     // bytes
	Used time.Time // last use
}

// Files lists a folder's files, the most recently used first, and removes abandoned temporary files.
func Files(dir string) []File {
	entries, _ := os.ReadDir(dir)
	var files []File
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.IsDir() || strings.HasSuffix(e.Name(), sumExt) {
			continue
		}
		f := File{filepath.Join(dir, e.Name()), info.Size(), info.ModTime()}
		if !strings.HasPrefix(e.Name(), PartPrefix) {
			files = append(files, f)
		} else if time.Since(f.Used) > StaleAfter {
			_ = os.Remove(f.Path)
		}
	}
	slices.SortFunc(files, func(a, b File) int { return b.Used.Compare(a.Used) })
	return files
}

// Prune removes all but the most recently used files of a folder. A process that has a file open can still read it.
func Prune(dir string, keep int) {
	files := Files(dir)
	for _, f := range files[min(len(files), keep):] {
		_ = os.Remove(f.Path)
		_ = os.Remove(f.Path + sumExt)
	}
}
