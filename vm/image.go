// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kxlab/kxlab/harness/cache"
)

// A File is a file for the guest's root file system.
type File struct {
	Content []byte      // its content; not with Source
	Source  string      // path of this machine's file to copy; a link is followed
	Mode    fs.FileMode // permissions; 0: 0644, or those of Source
}

// An image is the initramfs of one guest: a base, which is cached, and the guest's own entries. The kernel unpacks both archives
// from one file.
type image struct {
	file *os.File // unlinked: the kernel frees it when the last process closes it
	size int64    // bytes
}

func buildImage(ctx context.Context, c *Cmd, self string, t task, stdin []byte) (*image, error) {
	own, err := ownEntries(c.Files, t, stdin)
	if err != nil {
		return nil, err
	}
	base, err := openBase(ctx, c.Kernel, self, c.Tools, c.Modules, true)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	f, err := inMemory("image", nil)
	if err != nil {
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	_, err = io.Copy(f, base)
	if err == nil {
		err = writeCPIO(f, own, ownInode)
	}
	var size int64
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	return &image{file: f, size: size}, nil
}

// ownInode is the first inode of a guest's own entries. The base has fewer.
const ownInode = 1 << 20

// ownEntries lists a guest's own entries: its task, its standard input and the caller's files.
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
		e, err := f.entry(name)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return sortEntries(out), nil
}

// entry returns the entry of a file with this path in the guest.
func (f File) entry(path string) (entry, error) {
	if !filepath.IsAbs(path) {
		return entry{}, fmt.Errorf("add file to guest: path %q is not absolute", path)
	}
	e := entry{name: guestPath(filepath.Clean(path)), mode: modeFile | 0o644, content: f.Content}
	if f.Source != "" {
		source, err := filepath.EvalSymlinks(f.Source)
		if err != nil {
			return entry{}, fmt.Errorf("add file to guest: %w", err)
		}
		added, err := appendFile(nil, source, e.name)
		if err != nil {
			return entry{}, err
		}
		e = added[0]
	}
	if f.Mode != 0 {
		e.mode = modeFile | uint32(f.Mode.Perm())
	}
	return e, nil
}

// taskFiles returns the caller's files and the standard input as files of a task.
func taskFiles(files map[string]File, stdin []byte) ([]taskFile, error) {
	var out []taskFile
	if stdin != nil {
		out = append(out, taskFile{Path: stdinPath, Content: stdin, Mode: 0o644})
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		e, err := files[name].entry(name)
		if err == nil && e.source != "" {
			e.content, err = os.ReadFile(e.source)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, taskFile{Path: e.name, Content: e.content, Mode: fs.FileMode(e.mode).Perm()})
	}
	return out, nil
}

// imagesMax is the number of base images in the cache.
const imagesMax = 8

// openBase opens the base image of this kernel's modules, this binary and these tools. It makes the image unless the cache has one
// of the same binary and of the same other files with the same sizes and times. If a whole one is asked for, a damaged one is made anew.
func openBase(ctx context.Context, k *Kernel, self string, tools, modules []string, whole bool) (*os.File, error) {
	entries, err := programs(self, tools)
	if err != nil {
		return nil, err
	}
	entries = append(layout(), entries...)
	key := sha256.New()
	fmt.Fprintf(key, "image 1\n") // increase the number when equal inputs give another image
	for _, e := range sortEntries(entries) {
		if id := buildID(e.source); e.name == selfPath && id != "" {
			e.source, e.changed = id, time.Time{} // the same binary in another place is the same
		}
		fmt.Fprintf(key, "%q %o %q %s %d %d %d.%d\n", e.name, e.mode, e.content, e.source, e.size, e.changed.UnixNano(), e.major, e.minor)
	}
	if len(modules) > 0 {
		stamp, err := k.modulesStamp()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(key, "%q %s\n", modules, stamp)
	}
	dir, err := cache.Dir("images")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, hex.EncodeToString(key.Sum(nil))[:32]+".cpio")
	if kept(ctx, "the guest image", path, whole) {
		return os.Open(path)
	}
	mods, err := k.modules(ctx, modules)
	if err != nil {
		return nil, err
	}
	for i, m := range mods { // names sort in loading order
		entries = append(entries, entry{name: fmt.Sprintf("%s/%03d-%s.ko", moduleDir, i, m.name), mode: modeFile | 0o644, content: m.data})
	}
	if err := cache.WriteSummed(path, func(f *os.File) error { return writeCPIO(f, sortEntries(entries), 1) }); err != nil {
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	cache.Prune(dir, imagesMax)
	return os.Open(path)
}

// modulesStamp returns a hash of the paths, sizes and times of all modules.
func (k *Kernel) modulesStamp() (string, error) {
	files, err := moduleFiles(k.Modules)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, f := range slices.Sorted(maps.Values(files)) {
		st, err := os.Stat(f)
		if err != nil {
			return "", fmt.Errorf("list modules: %w", err)
		}
		fmt.Fprintf(sum, "%s %d %d\n", f, st.Size(), st.ModTime().UnixNano())
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
