// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kxlab/kxlab/harness/sys"
)

// toolData returns patterns for the files of this machine that a tool opens at run time.
func toolData(tool string) []string {
	var files string
	switch name := filepath.Base(tool); {
	case strings.HasPrefix(name, "iptables"), strings.HasPrefix(name, "ip6tables"), strings.HasPrefix(name, "xtables"):
		files = "/xtables/*.so"
	case name == "tc":
		files = "/tc/*"
	default:
		return nil
	}
	return []string{"/usr/lib/*-linux-gnu" + files, "/usr/lib64" + files, "/usr/lib" + files}
}

// programs lists the lab's binary and the tools, with their libraries and data.
func programs(self string, tools []string) ([]entry, error) {
	l := newLinker()
	out, err := l.appendProgram(nil, self, selfPath)
	if err != nil {
		return nil, err
	}
	for _, tool := range tools {
		path, err := sys.LookTool(tool)
		if err != nil {
			return nil, fmt.Errorf("add program to guest: %w", err)
		}
		if out, err = l.appendProgram(out, path, path); err != nil {
			return nil, err
		}
		for _, pattern := range toolData(tool) {
			files, err := filepath.Glob(pattern)
			if err != nil {
				return nil, err
			}
			for _, f := range files {
				add := appendFile
				if strings.HasSuffix(f, ".so") { // an extension, with libraries of its own
					add = l.appendProgram
				}
				if out, err = add(out, f, guestPath(f)); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// NoTool tells whether this machine, and therefore every guest, lacks a program.
func NoTool(name string) bool {
	_, err := sys.LookTool(name)
	return err != nil
}

// appendProgram adds a program of this machine under a name in the guest, with its libraries. Links stay links, so that a program with
// several names is copied once.
func (l *linker) appendProgram(out []entry, path, name string) ([]entry, error) {
	out, err := appendFile(out, path, guestPath(name))
	if err != nil {
		return nil, err
	}
	libs, err := l.libraries(path)
	if err != nil {
		return nil, err
	}
	for _, lib := range libs {
		if out, err = appendFile(out, lib, guestPath(lib)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// appendFile adds a file of this machine under a name in the guest; if it is a link, it adds the link and its target.
func appendFile(out []entry, path, name string) ([]entry, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("add file to guest: %w", err)
	}
	if target := guestPath(real); real != filepath.Clean(path) && target != name && name == guestPath(path) {
		out = append(out, entry{name: name, mode: modeLink | 0o777, content: []byte(target)})
		name = target
	}
	st, err := os.Stat(real)
	if err != nil {
		return nil, fmt.Errorf("add file to guest: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("add file to guest: %s is not a file", real)
	}
	return append(out, entry{
		name: name, mode: modeFile | uint32(st.Mode().Perm()), source: real, size: st.Size(), changed: st.ModTime(),
	}), nil
}
