// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A linker finds the libraries of programs as the dynamic linker would. It reads each file once, so it must not outlive changes to them.
type linker struct {
	configured []string               // folders of ld.so.conf, and the default ones
	files      map[string]linked      // by path
	found      map[librarySpec]string // paths of libraries
}

// linked is what a program or library names itself.
type linked struct {
	interpreter string
	libraries   []string // paths
	err         error
}

type librarySpec struct {
	name, runPath string
	class         elf.Class
	machine       elf.Machine
}

func newLinker() *linker {
	return &linker{
		configured: append(configuredDirs(), "/lib64", "/usr/lib64", "/lib", "/usr/lib"),
		files:      map[string]linked{}, found: map[librarySpec]string{},
	}
}

// libraries returns the paths on this machine of a program's interpreter and of all shared libraries that the dynamic linker would
// load for it. A static program has none, a script is an error.
func (l *linker) libraries(file string) ([]string, error) {
	var found []string
	err := l.addLibraries(file, &found)
	return found, err
}

func (l *linker) addLibraries(file string, found *[]string) error {
	own, ok := l.files[file]
	if !ok {
		own = l.read(file)
		l.files[file] = own
	}
	if own.err != nil {
		return fmt.Errorf("read program %s: %w", file, own.err)
	}
	if own.interpreter != "" && !slices.Contains(*found, own.interpreter) {
		*found = append(*found, own.interpreter)
	}
	for _, lib := range own.libraries {
		if slices.Contains(*found, lib) {
			continue
		}
		*found = append(*found, lib)
		if err := l.addLibraries(lib, found); err != nil {
			return err
		}
	}
	return nil
}

// interpMax limits the length of an interpreter's path, bytes: PATH_MAX.
const interpMax = 4096

// read reads what a file names.
func (l *linker) read(file string) (own linked) {
	f, err := elf.Open(file)
	var format *elf.FormatError
	if errors.As(err, &format) || errors.Is(err, io.EOF) {
		return linked{err: fmt.Errorf("not an executable (%w); a script needs its interpreter: sh %s", err, file)}
	}
	if err != nil {
		return linked{err: err}
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		if p.Filesz > interpMax {
			return linked{err: fmt.Errorf("the path of its interpreter has %d bytes, at most %d are supported", p.Filesz, interpMax)}
		}
		raw := make([]byte, p.Filesz)
		if _, err := p.ReadAt(raw, 0); err != nil {
			return linked{err: err}
		}
		own.interpreter = strings.TrimRight(string(raw), "\x00")
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return linked{err: err}
	}
	run := runPath(f, file)
	for _, name := range needed {
		lib, err := l.find(librarySpec{name, run, f.Class, f.Machine})
		if err != nil {
			return linked{err: err}
		}
		own.libraries = append(own.libraries, lib)
	}
	return own
}

// buildID returns the Go linker's id of a program, a hash of its content; "" if the file has none.
func buildID(file string) string {
	f, err := elf.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	note := f.Section(".note.go.buildid")
	if note == nil {
		return ""
	}
	raw, err := note.Data()
	const header = 16 // three sizes and the name "Go\x00\x00"
	if err != nil || len(raw) <= header || !strings.Contains(string(raw[header:]), "/") {
		return "" // an id without a slash was given by hand
	}
	return "go build id " + strings.TrimRight(string(raw[header:]), "\x00")
}

// runPath returns the folders, separated by colons, that a file has searched first.
func runPath(f *elf.File, file string) string {
	origin := strings.NewReplacer("$ORIGIN", filepath.Dir(file), "${ORIGIN}", filepath.Dir(file))
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		values, _ := f.DynString(tag)
		for _, v := range values {
			dirs = append(dirs, origin.Replace(v))
		}
	}
	return strings.Join(dirs, ":")
}

func configuredDirs() []string {
	var dirs []string
	files, _ := filepath.Glob("/etc/ld.so.conf.d/*.conf")
	for _, name := range append(files, "/etc/ld.so.conf") {
		raw, _ := os.ReadFile(name)
		for line := range strings.Lines(string(raw)) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") {
				dirs = append(dirs, line)
			}
		}
	}
	return dirs
}

// find returns the path of a library: in its run path, the configured or the default folders.
func (l *linker) find(want librarySpec) (string, error) {
	if strings.Contains(want.name, "/") {
		return want.name, nil
	}
	if path, ok := l.found[want]; ok {
		return path, nil
	}
	var dirs []string
	if want.runPath != "" {
		dirs = strings.Split(want.runPath, ":")
	}
	for _, dir := range slices.Concat(dirs, l.configured) {
		path := filepath.Join(dir, want.name)
		f, err := elf.Open(path)
		if err != nil {
			continue
		}
		ok := f.Class == want.class && f.Machine == want.machine
		f.Close()
		if ok {
			l.found[want] = path
			return path, nil
		}
	}
	return "", errors.New("shared library " + want.name + " is not installed")
}
