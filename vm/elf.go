// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// libraries returns the interpreter and the shared libraries that a program or library needs, and what those need in turn,
// as paths of this machine, as the dynamic linker would find them. A static program needs none, a script is an error.
func libraries(file string) ([]string, error) {
	var found []string
	err := addLibraries(file, &found)
	return found, err
}

// interpMax is the most, in bytes, that an interpreter's path may have: PATH_MAX.
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
			return fmt.Errorf("read program %s: the name of its interpreter has %d bytes, at most %d are taken", file, p.Filesz, interpMax)
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

// libraryPath is where the dynamic linker looks for what f needs: its own run path, the configured folders, the usual ones.
func libraryPath(f *elf.File, file string) []string {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		values, _ := f.DynString(tag)
		for _, v := range values {
			for _, dir := range strings.Split(v, ":") {
				dirs = append(dirs, strings.NewReplacer("$ORIGIN", filepath.Dir(file), "${ORIGIN}", filepath.Dir(file)).Replace(dir))
			}
		}
	}
	return append(append(dirs, configuredDirs()...), "/lib64", "/usr/lib64", "/lib", "/usr/lib")
}

// configuredDirs reads the folders that the dynamic linker's configuration names.
func configuredDirs() []string {
	var dirs []string
	files, _ := filepath.Glob("/etc/ld.so.conf.d/*.conf")
	for _, name := range append(files, "/etc/ld.so.conf") {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			if line := strings.TrimSpace(s.Text()); strings.HasPrefix(line, "/") {
				dirs = append(dirs, line)
			}
		}
		f.Close()
	}
	return dirs
}

// findLibrary returns the first library of this name and of the wanted kind of machine.
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
