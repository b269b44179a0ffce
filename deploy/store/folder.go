// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// listFile is the name of a folder's list at a place. It goes last.
const listFile = "kxlab-store.json"

// partFile is the name of the list while a folder is put. It goes first, and is removed at the end.
const partFile = "kxlab-store.part.json"

// schema is the version of lists.
const schema = 1

// A list says which files a folder has.
type list struct {
	Tool   string `json:"tool"`
	Schema int    `json:"schema"`
	Files  []file `json:"files"` // sorted by name
}

type file struct {
	Name string `json:"name"` // with slashes
	Size int64  `json:"size"`
	Sum  string `json:"sum"` // SHA-256, in hexadecimal
}

// A folder is a directory of this machine with its list.
type folder struct {
	dir string
	list
}

const tool = "kxlab-store"

// readFolder lists a directory. Hidden files are half written ones, and left out. A file that is not regular is an error, and so is an empty
// directory. The header of a shard is last.
func readFolder(dir string) (folder, error) {
	f := folder{dir, list{Tool: tool, Schema: schema}}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return f, err
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular() || path == listFile || path == partFile:
			return fmt.Errorf("%s is no file of a run or shard", path)
		}
		in, err := root.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		h := sha256.New()
		n, err := io.Copy(h, in)
		f.Files = append(f.Files, file{path, n, hex.EncodeToString(h.Sum(nil))})
		return err
	})
	if err == nil && len(f.Files) == 0 {
		err = errors.New("the folder is empty")
	}
	slices.SortFunc(f.Files, func(a, b file) int { return strings.Compare(order(a.Name), order(b.Name)) })
	return f, err
}

// order sorts the headers of shards behind all else.
func order(name string) string {
	if filepath.Base(name) == "shard.json" {
		return "1" + name
	}
	return "0" + name
}

func (f folder) encode() ([]byte, error) { return json.MarshalIndent(f.list, "", " ") }

// decodeList reads a list, which may name no file outside its folder.
func decodeList(raw []byte) (l list, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, fmt.Errorf("%s is damaged: %w", listFile, err)
	}
	if l.Tool != tool || l.Schema != schema {
		return l, fmt.Errorf("%s is of %s, version %d; this program reads version %d", listFile, l.Tool, l.Schema, schema)
	}
	for _, f := range l.Files {
		if err := f.check(); err != nil {
			return l, fmt.Errorf("%s: %w", listFile, err)
		}
	}
	return l, nil
}

// checkOther returns an error if other files than a folder's are there, and shall not be replaced.
func checkOther(there []file, f folder, replace bool) error {
	if replace || slices.Equal(there, f.Files) {
		return nil
	}
	return errors.New("the place has another folder: name a new place, or replace that one with put --replace")
}

// check returns an error for a name that leads out of a folder.
func (f file) check() error {
	if !filepath.IsLocal(f.Name) || filepath.Clean(f.Name) != f.Name {
		return fmt.Errorf("the name %q leads out of the folder", f.Name)
	}
	return nil
}

// write writes a file of a list into a directory, if the content has its size and sum.
func (f file) write(dir string, from io.Reader) error {
	path := filepath.Join(dir, f.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer out.Close() // of a failure; the second is an error that is not looked at
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), io.LimitReader(from, f.Size+1))
	sum := hex.EncodeToString(h.Sum(nil))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", f.Name, err)
	case n < f.Size:
		return fmt.Errorf("%s is cut: %d of %d bytes", f.Name, n, f.Size)
	case n > f.Size || sum != f.Sum:
		return fmt.Errorf("%s is not what was put: its SHA-256 is %.12s, not %.12s", f.Name, sum, f.Sum)
	}
	return errors.Join(out.Sync(), out.Close())
}
