// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/bpf"
)

// TestMove moves init, exit and the name of every module to another kernel's places.
func TestMove(t *testing.T) {
	l := layout{size: 1344, name: 24, init: 312, exit: 1264}
	for _, name := range bpf.Modules() {
		raw, err := bpf.Module(name)
		if err != nil {
			t.Fatal(err)
		}
		out, err := move(raw, l)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f, err := elf.NewFile(bytes.NewReader(out))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s := f.Section(sectionModule)
		data, err := s.Data()
		if err != nil || s.Size != uint64(l.size) {
			t.Errorf("%s: struct module of %d bytes, %v, want %d", name, s.Size, err, l.size)
		}
		if got := string(bytes.TrimRight(data[l.name:l.name+nameMax], "\x00")); !strings.HasPrefix(got, "kxlab_") {
			t.Errorf("%s: name %q", name, got)
		}
		if !bytes.Equal(data[:l.name], make([]byte, l.name)) {
			t.Errorf("%s: the old name is still there: %q", name, data[:l.name])
		}
		rela, err := f.Section(".rela" + sectionModule).Data()
		if err != nil || binary.LittleEndian.Uint64(rela) != uint64(l.init) {
			t.Errorf("%s: init at %d, %v, want %d", name, binary.LittleEndian.Uint64(rela), err, l.init)
		}
		stays := len(rela) > relaSize
		if stays && binary.LittleEndian.Uint64(rela[relaSize:]) != uint64(l.exit) {
			t.Errorf("%s: exit at %d, want %d", name, binary.LittleEndian.Uint64(rela[relaSize:]), l.exit)
		}
		if stays != (name == "swap/hook_stamp") {
			t.Errorf("%s: has an exit: %v", name, stays)
		}
	}
}

// TestMoveRefuses: a module that would be loaded wrongly is refused.
func TestMoveRefuses(t *testing.T) {
	raw, err := bpf.Module("safety/sound")
	if err != nil {
		t.Fatal(err)
	}
	stays, err := bpf.Module("swap/hook_stamp")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		module []byte
		layout layout
		want   string
	}{
		"too large":     {raw, layout{size: 1 << 20, name: 24, init: 312}, "does not fit"},
		"exit outside":  {stays, layout{size: 1344, name: 24, init: 312, exit: 1340}, "does not fit"},
		"no exit":       {stays, layout{size: 1344, name: 24, init: 312}, "removes no modules"},
		"init outside":  {raw, layout{size: 128, name: 24, init: 124}, "does not fit"},
		"name outside":  {raw, layout{size: 128, name: 100, init: 8}, "does not fit"},
		"no ELF":        {[]byte("#!/bin/sh"), layout{size: 128, name: 24, init: 96}, "read module"},
		"another class": {bytes.Replace(raw, []byte(sectionModule), []byte(".gnu.linkonce.that_module"), -1), layout{size: 128, name: 24, init: 96}, "want ELF"},
	} {
		if _, err := move(c.module, c.layout); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestSet: the module gets the address where its init looks for it; an object without the variable is refused.
func TestSet(t *testing.T) {
	raw, err := bpf.Module("jit/functions")
	if err != nil {
		t.Fatal(err)
	}
	const address = 0x123456789abcdef0
	out, err := Set(raw, "job_at", address)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(out, binary.LittleEndian.AppendUint64(nil, address)); n != 1 || len(out) != len(raw) {
		t.Errorf("the address stands there %d times", n)
	}
	if _, err := Set(raw, "results_at", address); err == nil {
		t.Error("a variable that is not there was set")
	}
}
