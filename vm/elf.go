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

// libraries returns the paths on this machine of a program's interpreter and of all shared libraries that the dynamic linker would
// load for it. A static program has none, a script is an error.
func libraries(file string) ([]string, error) {
	var found []string
	err := addLibraries(file, &found)
	return found, err
}

// interpMax limits the length of an interpreter's path, bytes: PATH_MAX.
const interpMax = 4096

func addLibraries(file string, found *[]string) error {
	f, err := elf.Open(file)
	var format *elf.FormatError
	if errors.As(err, &format) || errors.Is(err, io.EOF) {
		return fmt.Errorf("read program %s: not an executable (%w); a script needs its interpreter: sh %s", file, err, file)
	}
	if err != nil {
		return fmt.Errorf("read program %s: %w", file, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		if p.Filesz > interpMax {
			return fmt.Errorf("read program %s: the path of its interpreter has %d bytes, at most %d are supported", file, p.Filesz, interpMax)
		}
		raw := make([]byte, p.Filesz)
		if _, err := p.ReadAt(raw, 0); err != nil {
			return fmt.Errorf("read program %s: %w", file, err)
		}
		if interp := strings.TrimRight(string(raw), "\x00"); !slices.Contains(*found, interp) {
			*found = append(*found, interp)
		}
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read program %s: %w", file, err)
	}
	for _, name := range needed {
		lib, err := findLibrary(name, libraryPath(f, file), f.Class, f.Machine)
		if err != nil {
			return fmt.Errorf("read program %s: %w", file, err)
		}
		if slices.Contains(*found, lib) {
			continue
		}
		*found = append(*found, lib)
		if err := addLibraries(lib, found); err != nil {
			return err
		}
	}
	return nil
}

// libraryPath lists the folders that the dynamic linker searches for f: the run path of f, the configured and the default folders.
func libraryPath(f *elf.File, file string) []string {
	origin := strings.NewReplacer("$ORIGIN", filepath.Dir(file), "${ORIGIN}", filepath.Dir(file))
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		values, _ := f.DynString(tag)
		for _, v := range values {
			for _, dir := range strings.Split(v, ":") {
				dirs = append(dirs, origin.Replace(dir))
			}
		}
	}
	return slices.Concat(dirs, configuredDirs(), []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"})
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

func findLibrary(name string, dirs []string, class elf.Class, machine elf.Machine) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range dirs {
		file := filepath.Join(dir, name)
		f, err := elf.Open(file)
		if err != nil {
			continue
		}
		ok := f.Class == class && f.Machine == machine
		f.Close()
		if ok {
			return file, nil
		}
	}
	return "", errors.New("shared library " + name + " is not installed")
}
