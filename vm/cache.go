// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CacheEnv names the environment variable that says where the cache is.
const CacheEnv = "KXLAB_CACHE"

// cacheDir makes and returns a folder of the lab's cache: below $KXLAB_CACHE, or kxlab in the user's cache folder.
func cacheDir(parts ...string) (string, error) {
	base := os.Getenv(CacheEnv)
	if base == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find cache folder: %w: set %s", err, CacheEnv)
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

// lockFile waits for an exclusive lock on a file, which it creates if it is missing. Closing the file releases the lock, so a
// process that dies holds none.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
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

// writeFile creates or replaces a file atomically. Write fills it under a temporary name.
func writeFile(path string, write func(*os.File) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "part-")
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

// createUnlinked makes an unlinked file in a folder of the cache: the kernel frees it when the last process closes it.
func createUnlinked(folder string) (*os.File, error) {
	dir, err := cacheDir(folder)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "part-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// touch records in the file's times that a file of the cache was used.
func touch(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}

// staleAfter is the age at which a temporary file counts as abandoned.
const staleAfter = time.Hour

// A cachedFile is a file in a folder of the cache.
type cachedFile struct {
	path string
	size int64     // bytes
	used time.Time // last use
}

// cachedFiles lists a folder's files, the most recently used first, and removes abandoned temporary files.
func cachedFiles(dir string) []cachedFile {
	entries, _ := os.ReadDir(dir)
	var files []cachedFile
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.IsDir() {
			continue
		}
		f := cachedFile{filepath.Join(dir, e.Name()), info.Size(), info.ModTime()}
		if !strings.HasPrefix(e.Name(), "part-") {
			files = append(files, f)
		} else if time.Since(f.used) > staleAfter {
			_ = os.Remove(f.path)
		}
	}
	slices.SortFunc(files, func(a, b cachedFile) int { return b.used.Compare(a.used) })
	return files
}

// prune removes all but the most recently used files of a folder. A process that has a file open can still read it.
func prune(dir string, keep int) {
	files := cachedFiles(dir)
	for _, f := range files[min(len(files), keep):] {
		_ = os.Remove(f.path)
	}
}
