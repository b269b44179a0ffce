// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An elfSpec is what a test's ELF file says.
type elfSpec struct {
	interp  string
	needed  []string
	runpath string
	machine elf.Machine // 0: x86-64
	modinfo string      // content of .modinfo
}

// bytes makes a file of it that debug/elf reads: header, two program headers, the sections' data, their headers.
func (s elfSpec) bytes() []byte {
	if s.machine == 0 {
		s.machine = elf.EM_X86_64
	}
	strs := []byte{0}
	add := func(v string) uint64 {
		at := len(strs)
		strs = append(append(strs, v...), 0)
		return uint64(at)
	}
	var dyn []elf.Dyn64
	for _, n := range s.needed {
		dyn = append(dyn, elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: add(n)})
	}
	if s.runpath != "" {
		dyn = append(dyn, elf.Dyn64{Tag: int64(elf.DT_RUNPATH), Val: add(s.runpath)})
	}
	dyn = append(dyn, elf.Dyn64{})
	var dynamic bytes.Buffer
	_ = binary.Write(&dynamic, binary.LittleEndian, dyn)
	names := []byte("\x00.dynstr\x00.dynamic\x00.modinfo\x00.shstrtab\x00")
	const head, phead = 64, 56
	data, at := []byte(s.interp), uint64(head+phead)
	sections := []elf.Section64{{}}
	put := func(name string, kind elf.SectionType, link uint32, size uint64, content []byte) {
		sections = append(sections, elf.Section64{
			Name: uint32(bytes.Index(names, []byte(name+"\x00"))), Type: uint32(kind), Off: at + uint64(len(data)), Size: uint64(len(content)), Link: link, Entsize: size,
		})
		data = append(data, content...)
	}
	put(".dynstr", elf.SHT_STRTAB, 0, 0, strs)
	put(".dynamic", elf.SHT_DYNAMIC, 1, 16, dynamic.Bytes())
	put(".modinfo", elf.SHT_PROGBITS, 0, 0, []byte(s.modinfo))
	put(".shstrtab", elf.SHT_STRTAB, 0, 0, names)
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(s.machine), Version: 1, Phoff: head, Shoff: at + uint64(len(data)), Ehsize: head,
		Phentsize: phead, Phnum: 1, Shentsize: 64, Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1),
	}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	p := elf.Prog64{Type: uint32(elf.PT_NULL), Off: at, Filesz: uint64(len(s.interp))}
	if s.interp != "" {
		p.Type = uint32(elf.PT_INTERP)
	}
	var out bytes.Buffer
	_ = binary.Write(&out, binary.LittleEndian, h)
	_ = binary.Write(&out, binary.LittleEndian, p)
	out.Write(data)
	_ = binary.Write(&out, binary.LittleEndian, sections)
	return out.Bytes()
}

func (s elfSpec) write(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, s.bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
}

// Libraries are found along the run path, for the same kind of machine, with what they need in turn, each once.
func TestLibraries(t *testing.T) {
	dir := t.TempDir()
	prog := filepath.Join(dir, "bin/prog")
	elfSpec{interp: "/lib64/ld-x.so\x00", needed: []string{"libkx-a.so", "libkx-b.so"}, runpath: "$ORIGIN/../none:$ORIGIN/../arm:${ORIGIN}/../lib"}.write(t, prog)
	elfSpec{machine: elf.EM_AARCH64}.write(t, dir+"/arm/libkx-a.so")
	elfSpec{needed: []string{"libkx-b.so", "libkx-c.so"}, runpath: dir + "/lib"}.write(t, dir+"/lib/libkx-a.so")
	elfSpec{needed: []string{"libkx-a.so"}, runpath: "$ORIGIN"}.write(t, dir+"/lib/libkx-b.so") // which needs the first again
	elfSpec{}.write(t, dir+"/lib/libkx-c.so")
	got, err := newLinker().libraries(prog)
	for i := range got {
		got[i] = filepath.Clean(got[i])
	}
	want := []string{"/lib64/ld-x.so", dir + "/lib/libkx-a.so", dir + "/lib/libkx-b.so", dir + "/lib/libkx-c.so"}
	if slices.Sort(got); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}

	for name, c := range map[string]struct {
		spec elfSpec
		want string
	}{
		"missing":  {elfSpec{needed: []string{"libkx-none.so"}, runpath: dir + "/lib"}, "libkx-none.so is not installed"},
		"machine":  {elfSpec{needed: []string{"libkx-a.so"}, runpath: dir + "/arm"}, "libkx-a.so is not installed"},
		"a folder": {elfSpec{needed: []string{"libkx-a.so"}, runpath: dir}, "libkx-a.so is not installed"},
		"interp":   {elfSpec{interp: strings.Repeat("/x", interpMax/2) + "\x00"}, "interpreter has 4097 bytes"},
	} {
		path := filepath.Join(dir, name)
		c.spec.write(t, path)
		_, err := newLinker().libraries(path)
		wantError(t, err, false, c.want)
	}
	static := filepath.Join(dir, "static")
	elfSpec{}.write(t, static)
	if got, err := newLinker().libraries(static); err != nil || len(got) > 0 {
		t.Errorf("a static program: %q, %v", got, err)
	}
	for name, text := range map[string]string{"script": "#!/bin/sh\n", "empty": ""} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := newLinker().libraries(path)
		wantError(t, err, false, "a script needs its interpreter: sh "+path)
	}
}

func TestModuleNeeds(t *testing.T) {
	for _, c := range []struct {
		info string
		want []string
	}{
		{"license=GPL\x00depends=ip_vs,nf_conntrack\x00softdep=pre: x\x00name=ip_vs_mh\x00", []string{"ip_vs", "nf_conntrack"}},
		{"depends=\x00name=veth\x00", nil},
		{"license=GPL\x00", nil},
	} {
		if got, err := moduleNeeds(elfSpec{modinfo: c.info}.bytes()); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v; want %q", c.info, got, err, c.want)
		}
	}
	if _, err := moduleNeeds([]byte("no module")); err == nil {
		t.Error("text is taken for a module")
	}
}

// A program of any bytes is an error or a list, and takes no more memory than it has bytes.
func FuzzLibraries(f *testing.F) {
	f.Add(elfSpec{interp: "/lib64/ld-x.so\x00", needed: []string{"libkx-none.so"}, runpath: "$ORIGIN"}.bytes())
	huge := elfSpec{interp: "/x\x00"}.bytes()
	binary.LittleEndian.PutUint64(huge[64+32:], 1<<62) // the size of the interpreter's name
	f.Add(huge)
	f.Add([]byte("#!/bin/sh\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(dir, "prog")
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		_, _ = newLinker().libraries(path)
	})
}

// So is a module.
func FuzzModuleNeeds(f *testing.F) {
	f.Add(elfSpec{modinfo: "depends=a,b\x00"}.bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) { _, _ = moduleNeeds(raw) })
}
