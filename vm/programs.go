// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kxlab/kxlab/harness/sys"
)

// toolData are the files that a tool opens at run time, as patterns of this machine's paths.
func toolData(tool string) []string {
	libs := []string{"/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib"}
	var out []string
	for _, dir := range libs {
		switch name := filepath.Base(tool); {
		case strings.HasPrefix(name, "iptables"), strings.HasPrefix(name, "ip6tables"), strings.HasPrefix(name, "xtables"):
			out = append(out, dir+"/xtables/*.so")
		case name == "tc":
			out = append(out, dir+"/tc/*")
		}
	}
	return out
}

// programs lists the lab's binary and the tools, with their libraries and data.
func programs(self string, tools []string) ([]entry, error) {
	out, err := appendProgram(nil, self, selfPath)
	if err != nil {
		return nil, err
	}
	for _, tool := range tools {
		path, err := sys.LookTool(tool)
		if err != nil {
			return nil, fmt.Errorf("add program to guest: %w", err)
		}
		if out, err = appendProgram(out, path, path); err != nil {
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
					add = appendProgram
				}
				if out, err = add(out, f, guestPath(f)); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// NoTool tells whether this machine lacks a program, so that no guest can have it.
func NoTool(name string) bool {
	_, err := sys.LookTool(name)
	return err != nil
}

// appendProgram adds a program of this machine under a name in the guest, with its libraries. Links stay links, so that a
// program that goes by several names is there once.
func appendProgram(out []entry, path, name string) ([]entry, error) {
	out, err := appendFile(out, path, guestPath(name))
	if err != nil {
		return nil, err
	}
	libs, err := libraries(path)
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

// appendFile adds a file of this machine, and where it is a link what it points to, under a name in the guest.
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
