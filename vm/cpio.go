// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// An entry is one name in the guest's root file system.
type entry struct {
	name    string    // absolute, clean
	mode    uint32    // type and permission bits as in stat(2)
	content []byte    // content of a file or target of a link; not with source
	source  string    // path of this machine's file to copy
	size    int64     // size of source, bytes
	changed time.Time // modification time of source
	major   uint32    // device number
	minor   uint32
}

const (
	modeDir  = 0o040000
	modeFile = 0o100000
	modeLink = 0o120000
	modeChar = 0o020000
)

// sortEntries orders entries by name, so that a folder precedes its content, adds missing parent folders, and keeps the last of
// several entries with one name.
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
	return slices.SortedFunc(maps.Values(byName), func(a, b entry) int { return strings.Compare(a.name, b.name) })
}

// writeCPIO writes an archive in the "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst). Owner root, times 0
// and inodes counted from first make equal entries equal bytes. The kernel unpacks several archives in one file.
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
		err = fmt.Errorf("%s changed while it was copied", e.source)
	}
	return err
}

const zeros = "\x00\x00\x00\x00"

// pad4 returns the distance from n to the next multiple of 4.
func pad4(n int) int { return (4 - n%4) % 4 }
