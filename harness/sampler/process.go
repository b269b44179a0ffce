// SPDX-License-Identifier: Apache-2.0

package sampler

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// A process is a program whose tasks were sampled.
type process struct {
	main     string // the name of its first thread when it was looked at; "": another thread was seen first
	mappings []mapping
}

// A mapping is a part of a process's memory that holds code.
type mapping struct {
	start, end, offset uint64
	path               string
}

// look reads which files the code of a process is from, once, and again after it began another program, which gives its first thread
// another name.
func (s *Sampler) look(tgid, pid uint32, task string) {
	p := s.processes[tgid]
	main := ""
	if pid == tgid {
		main = task
	}
	switch {
	case tgid == 0 || p != nil && (main == "" || p.main == main):
		return
	case p != nil && p.main == "":
		p.main = main
		return
	}
	path := fmt.Sprintf("/proc/%d/maps", tgid)
	if tgid == s.self {
		path = "/proc/self/maps"
	}
	raw, err := os.ReadFile(path)
	if mappings := parseMaps(raw); err == nil && len(mappings) > 0 {
		s.processes[tgid] = &process{main, mappings}
	} else if p == nil {
		s.processes[tgid] = &process{main: main}
	}
}

// parseMaps reads /proc/PID/maps: START-END PERMISSIONS OFFSET DEVICE INODE PATH.
func parseMaps(raw []byte) (out []mapping) {
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 5 || !strings.Contains(f[1], "x") {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		var m mapping
		var errs [3]error
		m.start, errs[0] = strconv.ParseUint(from, 16, 64)
		m.end, errs[1] = strconv.ParseUint(to, 16, 64)
		m.offset, errs[2] = strconv.ParseUint(f[2], 16, 64)
		if cmp.Or(errs[:]...) != nil {
			continue
		}
		if len(f) > 5 {
			m.path = strings.Join(f[5:], " ")
		}
		out = append(out, m)
	}
	return out
}

// find is the mapping that holds an address.
func (p *process) find(address uint64) (mapping, bool) {
	i := slices.IndexFunc(p.mappings, func(m mapping) bool { return address >= m.start && address < m.end })
	if i < 0 {
		return mapping{}, false
	}
	return p.mappings[i], true
}

// A namer names functions of programs.
type namer struct {
	own   []mapping // of this process, whose functions Go knows
	files map[string]*symbolFile
}

func newNamer() *namer {
	raw, _ := os.ReadFile("/proc/self/maps")
	return &namer{own: parseMaps(raw), files: map[string]*symbolFile{}}
}

// name is the function at an address of a process. ok is false if there is no code.
func (n *namer) name(p *process, address uint64) (name string, ok bool) {
	if p == nil || len(p.mappings) == 0 {
		return programEnded, true
	}
	m, ok := p.find(address)
	switch {
	case !ok:
		return "", false
	case m.path == "":
		return "(code without a file)", true
	case !strings.HasPrefix(m.path, "/"):
		return m.path, true // [vdso]
	case slices.Contains(n.own, m):
		if f := runtime.FuncForPC(uintptr(address)); f != nil {
			return shortName(f.Name()), true
		}
	}
	f := n.files[m.path]
	if f == nil {
		f = readSymbolFile(m.path)
		n.files[m.path] = f
	}
	if name := f.name(address - m.start + m.offset); name != "" {
		return shortName(name), true
	}
	return "[" + filepath.Base(m.path) + "]", true
}

// shortName is a Go function without the path of its package: "load.(*program).pipe".
func shortName(name string) string {
	end := len(name)
	if i := strings.IndexAny(name, "(["); i >= 0 {
		end = i
	}
	return name[strings.LastIndex(name[:end], "/")+1:]
}

// isOutermost tells whether a stack that ends with a function is whole.
func isOutermost(name string) bool {
	switch name {
	case "_start", "main", "start_thread", "clone", "__clone", "__clone3", "clone3", "_dl_start_user", programEnded:
		return true
	}
	return strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "__libc_start")
}

// programEnded stands for the functions of a program that ended before its memory was looked at.
const programEnded = "(program has ended)"
