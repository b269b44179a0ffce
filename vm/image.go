// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A File is put into the guest's root file system.
type File struct {
	Content []byte      // what is in it, or else
	Source  string      // the path of this machine's file to copy; a link is followed
	Mode    fs.FileMode // permissions; 0: 0644, or those of Source
}

// An image is the initramfs of one guest: a base, which is cached, and what belongs to this one guest. The kernel takes two
// archives in one.
type image struct {
	file *os.File // without a name, so that it goes with the last process that has it open
	size int64    // bytes
	key  string   // of the base: equal inputs have equal keys
}

func (i *image) Close() error { return i.file.Close() }

// buildImage makes the initramfs of one guest.
func buildImage(ctx context.Context, c *Cmd, self string, t task, stdin []byte) (*image, error) {
	own, err := ownEntries(c.Files, t, stdin)
	if err != nil {
		return nil, err
	}
	base, err := openBase(ctx, c.Kernel, self, c.Tools, c.Modules)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	f, err := createUnlinked()
	if err != nil {
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	n, err := io.Copy(f, base)
	if err == nil {
		err = writeCPIO(f, own, ownInode)
	}
	var end int64
	if err == nil {
		end, err = f.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	return &image{file: f, size: max(n, end), key: base.Name()}, nil
}

// ownInode is the first inode of what belongs to one guest: the base has fewer.
const ownInode = 1 << 20

// ownEntries lists what belongs to one guest: its task and the caller's files.
func ownEntries(files map[string]File, t task, stdin []byte) ([]entry, error) {
	raw, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	out := []entry{{name: taskPath, mode: modeFile | 0o644, content: raw}}
	if t.Stdin {
		out = append(out, entry{name: stdinPath, mode: modeFile | 0o644, content: stdin})
	}
	for name, f := range files {
		if !filepath.IsAbs(name) {
			return nil, fmt.Errorf("add file to guest: path %q is not absolute", name)
		}
		e := entry{name: guestPath(filepath.Clean(name)), mode: modeFile | 0o644, content: f.Content}
		if f.Source != "" {
			if f.Source, err = filepath.EvalSymlinks(f.Source); err != nil {
				return nil, fmt.Errorf("add file to guest: %w", err)
			}
			added, err := appendFile(nil, f.Source, e.name)
			if err != nil {
				return nil, err
			}
			e = added[0]
		}
		if f.Mode != 0 {
			e.mode = modeFile | uint32(f.Mode.Perm())
		}
		out = append(out, e)
	}
	return sortEntries(out), nil
}

// laterFiles are the caller's files and the standard input as part of a task.
func laterFiles(files map[string]File, stdin []byte) ([]taskFile, error) {
	var out []taskFile
	if stdin != nil {
		out = append(out, taskFile{Path: stdinPath, Content: stdin, Mode: 0o644})
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		if !filepath.IsAbs(name) {
			return nil, fmt.Errorf("add file to guest: path %q is not absolute", name)
		}
		t := taskFile{Path: guestPath(filepath.Clean(name)), Content: f.Content, Mode: 0o644}
		if f.Source != "" {
			st, err := os.Stat(f.Source)
			if err == nil {
				t.Content, err = os.ReadFile(f.Source)
			}
			if err != nil {
				return nil, fmt.Errorf("add file to guest: %w", err)
			}
			t.Mode = st.Mode().Perm()
		}
		if f.Mode != 0 {
			t.Mode = f.Mode.Perm()
		}
		out = append(out, t)
	}
	return out, nil
}

// createUnlinked makes an unlinked file in the cache: the kernel frees it when the last process closes it.
func createUnlinked() (*os.File, error) {
	dir, err := cacheDir("images")
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "part-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// keepImages is how many base images the cache holds.
const keepImages = 8

// openBase opens the base image made of this kernel's modules, this binary and these tools. It is made unless one made of the
// same files, unchanged since, is in the cache.
func openBase(ctx context.Context, k *Kernel, self string, tools, modules []string) (*os.File, error) {
	entries, err := programs(self, tools)
	if err != nil {
		return nil, err
	}
	entries = append(layout(), entries...)
	key := sha256.New()
	fmt.Fprintf(key, "image 1\n") // to be counted up when equal inputs shall give another image
	for _, e := range sortEntries(entries) {
		fmt.Fprintf(key, "%q %o %q %s %d %d %d.%d\n", e.name, e.mode, e.content, e.source, e.size, e.changed.UnixNano(), e.major, e.minor)
	}
	if len(modules) > 0 {
		stamp, err := k.modulesStamp()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(key, "%q %s\n", modules, stamp)
	}
	dir, err := cacheDir("images")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, hex.EncodeToString(key.Sum(nil))[:32]+".cpio")
	if f, err := os.Open(path); err == nil {
		touch(path)
		return f, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open guest image: %w", err)
	}
	mods, err := k.modules(ctx, modules)
	if err != nil {
		return nil, err
	}
	for i, m := range mods { // numbered in the order in which they are to be loaded
		entries = append(entries, entry{name: fmt.Sprintf("%s/%03d-%s.ko", moduleDir, i, m.name), mode: modeFile | 0o644, content: m.data})
	}
	if err := writeFile(path, func(w io.Writer) error { return writeCPIO(w, sortEntries(entries), 1) }); err != nil {
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	prune(dir, keepImages)
	return os.Open(path)
}

// modulesStamp says in a line what would change if a module were another.
func (k *Kernel) modulesStamp() (string, error) {
	files, err := moduleFiles(k.Modules)
	if err != nil {
		return "", err
	}
	var names []string
	for _, f := range files {
		names = append(names, f)
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, f := range names {
		st, err := os.Stat(f)
		if err != nil {
			return "", fmt.Errorf("list modules: %w", err)
		}
		fmt.Fprintf(sum, "%s %d %d\n", f, st.Size(), st.ModTime().UnixNano())
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
