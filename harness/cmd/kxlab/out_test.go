// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestWriteOut: a file that the user names is new, a device, a FIFO or a link, which stay what they are.
func TestWriteOut(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Symlink("target", at("link")), os.WriteFile(at("mine"), []byte("mine"), 0o644), os.WriteFile(at("empty"), nil, 0o644),
		os.Symlink("mine", at("tomine")), syscall.Mkfifo(at("fifo"), 0o644)); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(at("fifo"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var out bytes.Buffer
	for _, tt := range []struct{ path, fault, read string }{
		{at("new"), "", at("new")}, {at("more/new"), "", at("more/new")}, {at("link"), "", at("target")}, {at("empty"), "", at("empty")},
		{at("fifo"), "", ""}, {"/dev/null", "", ""}, {"-", "", ""},
		{at("mine"), "write " + at("mine") + ": it is there already", ""}, {at("tomine"), "it is there already", ""},
		{dir, "it is a folder: name a file", ""}, {"/dev/full", "write /dev/full: no space left on device", ""},
	} {
		before, _ := os.Lstat(tt.path)
		err := writeOut(streams{out: &out}, tt.path, []byte("content"))
		if (err == nil) != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: %v, want %q", tt.path, err, tt.fault)
		}
		if have, err := os.ReadFile(tt.read); tt.read != "" && string(have) != "content" {
			t.Errorf("%s: %q, %v", tt.path, have, err)
		}
		if after, err := os.Lstat(tt.path); before != nil && (err != nil || after.Mode().Type() != before.Mode().Type()) {
			t.Errorf("%s was replaced: %v", tt.path, err)
		}
	}
	if out.String() != "content" {
		t.Errorf("standard output has %q", out.String())
	}
	if _, err := os.Lstat("-"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file is named -: %v", err)
	}
	if have, err := os.ReadFile(at("mine")); string(have) != "mine" {
		t.Errorf("the user's file has %q, %v", have, err)
	}
}
