// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"time"
)

// An entry is one name in the guest's root file system.
type entry struct {
	name    string    // absolute, clean
	mode    uint32    // type and permission bits as in stat(2)
	content []byte    // of a file, or where a link points; or else
	source  string    // the file of this machine that it is a copy of
	size    int64     // of source, in bytes
	changed time.Time // when source was
	major   uint32    // of a device
	minor   uint32
}

const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeLink = 0o120000
	modeChar = 0o020000
)

// sortEntries orders entries so that folders come before what is in them, adds the folders that are implied, and drops all
// but the last of those with one name.
func sortEntries(in []entry) []entry {
	byName := map[string]entry{}
	for _, e := range in {
		for dir := path.Dir(e.name); dir != "/"; dir = path.Dir(dir) {
			if _, ok := byName[dir]; !ok {
				byName[dir] = entry{name: dir, mode: modeDir | 0o755}
			}
		}
		byName[e.name] = e
	}
	out := make([]entry, 0, len(byName))
	for _, e := range byName {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b entry) int {
		switch {
		case a.name < b.name:
			return -1
		case a.name > b.name:
			return 1
		}
		return 0
	})
	return out
}

// writeCPIO writes an archive in the "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst): owner root,
// no times, numbers in order, so that equal entries give equal bytes. The kernel takes several archives one after the other;
// first is the number of the first inode.
func writeCPIO(w io.Writer, entries []entry, first int) error {
	for i, e := range append(slices.Clip(entries), entry{name: "/TRAILER!!!"}) {
		name := e.name[1:] + "\x00"
		if e.name == "/TRAILER!!!" {
			i = -first // inode 0
		}
		size := int64(len(e.content))
		if e.source != "" {
			size = e.size
		}
		if size > math.MaxUint32 {
			return fmt.Errorf("add %s: %d bytes: the archive format holds files of less than 4 GiB", e.name, size)
		}
		head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			first+i, e.mode, 0, 0, 1, 0, size, 0, 0, e.major, e.minor, len(name), 0) + name
		if _, err := io.WriteString(w, head+zeros[:pad4(len(head))]); err != nil {
			return err
		}
		if err := writeContent(w, e); err != nil {
			return err
		}
		if _, err := io.WriteString(w, zeros[:pad4(int(size))]); err != nil {
			return err
		}
	}
	return nil
}

// writeContent writes what is in a file.
func writeContent(w io.Writer, e entry) error {
	if e.source == "" {
		_, err := w.Write(e.content)
		return err
	}
	f, err := os.Open(e.source)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(w, f)
	if err == nil && n != e.size {
		err = fmt.Errorf("%s was changed meanwhile", e.source)
	}
	return err
}

const zeros = "\x00\x00\x00\x00"

// pad4 is what is missing to a multiple of 4.
func pad4(n int) int { return (4 - n%4) % 4 }
