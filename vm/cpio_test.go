// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A record is one entry as an archive has it.
type record struct {
	name                      string
	inode, mode, major, minor int64
	data                      string
}

// readCPIO reads an archive as the kernel's init/initramfs.c does: 13 fields of 8 hexadecimal digits behind the magic, name and data
// each padded to a multiple of 4 bytes.
func readCPIO(raw []byte) (records []record, rest []byte, err error) {
	for len(raw) >= 110 {
		if string(raw[:6]) != "070701" {
			return records, raw, fmt.Errorf("no magic: %q", raw[:6])
		}
		var f [13]int64
		for i := range f {
			if f[i], err = strconv.ParseInt(string(raw[6+8*i:14+8*i]), 16, 64); err != nil {
				return records, raw, err
			}
		}
		pad := func(n int64) int64 { return (n + 3) &^ 3 }
		name, at := string(raw[110:110+f[11]-1]), pad(110+f[11])
		if raw[110+f[11]-1] != 0 || f[2] != 0 || f[3] != 0 || f[5] != 0 || f[4] != 1 {
			return records, raw, fmt.Errorf("%q: no end of name, or owner, time or links: %v", name, f)
		}
		r := record{name, f[0], f[1], f[9], f[10], string(raw[at : at+f[6]])}
		raw = raw[at+pad(f[6]):]
		if name == "TRAILER!!!" {
			return records, raw, nil
		}
		records = append(records, r)
	}
	return records, raw, fmt.Errorf("no trailer")
}

func TestWriteCPIO(t *testing.T) {
	file := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(file, []byte("of this machine"), 0o644); err != nil {
		t.Fatal(err)
	}
	entries := append(make([]entry, 0, 8), // with room, in which an archive must not be built
		entry{name: "/bin", mode: modeLink | 0o777, content: []byte("usr/bin")},
		entry{name: "/dev/null", mode: modeChar | 0o666, major: 1, minor: 3},
		entry{name: "/etc/a", mode: modeFile | 0o755, source: file, size: 15, changed: time.Now()},
		entry{name: "/etc/bc", mode: modeFile | 0o644},
	)
	var out bytes.Buffer
	for _, first := range []int{1, 100} { // two archives in one
		if err := writeCPIO(&out, entries, first); err != nil {
			t.Fatal(err)
		}
	}
	if tail := entries[:5][4]; tail.name != "" {
		t.Errorf("the caller's entries were written over: %+v", tail)
	}
	raw := out.Bytes()
	for _, first := range []int64{1, 100} {
		got, rest, err := readCPIO(raw)
		want := []record{
			{"bin", first, modeLink | 0o777, 0, 0, "usr/bin"}, {"dev/null", first + 1, modeChar | 0o666, 1, 3, ""},
			{"etc/a", first + 2, modeFile | 0o755, 0, 0, "of this machine"}, {"etc/bc", first + 3, modeFile | 0o644, 0, 0, ""},
		}
		if err != nil || !cmp.Equal(got, want, cmp.AllowUnexported(record{})) {
			t.Errorf("archive from inode %d: %+v, %v; want %+v", first, got, err, want)
		}
		raw = rest
	}
	if len(raw) > 0 {
		t.Errorf("%d bytes behind the archives", len(raw))
	}
}

func TestWriteCPIORefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(file, []byte("four"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, e := range map[string]entry{
		"changed while it was copied": {name: "/a", mode: modeFile, source: file, size: 5},
		"less than 4 GiB":             {name: "/a", mode: modeFile, source: file, size: math.MaxUint32 + 1},
		"no such file":                {name: "/a", mode: modeFile, source: file + "-none", size: 4},
	} {
		if err := writeCPIO(&bytes.Buffer{}, []entry{e}, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Folders come before what is in them, each name once, the last of equal names.
func TestSortEntries(t *testing.T) {
	got := sortEntries([]entry{
		{name: "/a/b/c", mode: 1}, {name: "/z", mode: 2}, {name: "/a/b/c", mode: 3}, {name: "/a", mode: 4}, {name: "/a-b", mode: 5},
	})
	want := []entry{
		{name: "/a", mode: 4}, {name: "/a-b", mode: 5}, {name: "/a/b", mode: modeDir | 0o755}, {name: "/a/b/c", mode: 3}, {name: "/z", mode: 2},
	}
	if !cmp.Equal(got, want, cmp.AllowUnexported(entry{})) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Standard input is in the image only if the program has some: else the image, and so an exact guest, is what it was.
func TestOwnEntries(t *testing.T) {
	names := func(stdin bool) (out []string) {
		entries, err := ownEntries(map[string]File{"/bin/x": {Content: []byte("x")}}, task{Stdin: stdin}, []byte("in"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.mode&modeFile != 0 {
				out = append(out, e.name)
			}
		}
		return out
	}
	if got, want := names(false), []string{"/kxlab/task.json", "/usr/bin/x"}; !cmp.Equal(got, want) {
		t.Errorf("without: %q, want %q", got, want)
	}
	if got, want := names(true), []string{"/kxlab/stdin", "/kxlab/task.json", "/usr/bin/x"}; !cmp.Equal(got, want) {
		t.Errorf("with: %q, want %q", got, want)
	}
	_, err := ownEntries(map[string]File{"x": {}}, task{}, nil)
	wantError(t, err, false, "not absolute")
}
