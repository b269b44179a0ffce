// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"io"
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

// lockFile waits for an exclusive lock on a file that it makes if need be. The lock is released by closing the file, so a
// process that dies leaves none.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// writeFile makes a file with what write writes, whole or not at all.
func writeFile(path string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "part-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // if it still has that name
	defer tmp.Close()
	if err := write(tmp); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// touch notes that a file of the cache was used.
func touch(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}

// staleAfter is when a file that is being written counts as abandoned.
const staleAfter = time.Hour

// prune removes all but the most recently used files of a folder. A process that has a file open can still read it.
func prune(dir string, keep int) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	type file struct {
		path string
		used time.Time
	}
	var files []file
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || e.IsDir() {
			continue
		}
		f := file{filepath.Join(dir, e.Name()), info.ModTime()}
		if strings.HasPrefix(e.Name(), "part-") {
			if time.Since(f.used) > staleAfter {
				_ = os.Remove(f.path)
			}
			continue
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b file) int { return b.used.Compare(a.used) })
	for _, f := range files[min(len(files), keep):] {
		_ = os.Remove(f.path)
	}
}
