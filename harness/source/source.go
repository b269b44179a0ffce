// SPDX-License-Identifier: Apache-2.0

// Package source turns what a user names into a compiled BPF object: a .bpf.o, a .bpf.c, which is compiled here, or either at a
// revision of the git repository that it lies in.
package source

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// clangs are the compilers to look for, in this order.
var clangs = []string{"clang-19", "clang-21", "clang-20", "clang", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14"}

// maxObject bounds what is read as an object or a source, bytes.
const maxObject = 16 << 20

// An Object is a compiled object.
type Object struct {
	Name string // of the file, without folder and ending: xdp_nat
	From string // as the user named it
	Raw  []byte // ELF
	Spec *ebpf.CollectionSpec
}

// Is tells whether a word names an object rather than something else: it ends as sources and objects do.
func Is(word string) bool {
	return strings.HasSuffix(word, ".c") || strings.HasSuffix(word, ".o")
}

// Open reads or compiles what the word names: PATH or REVISION:PATH. A file whose name has a colon comes before a revision. clang is
// the compiler; "": the first of those that are installed.
func Open(ctx context.Context, word, clang string) (*Object, error) {
	path := word
	if revision, at, ok := strings.Cut(word, ":"); ok {
		if _, err := os.Stat(word); errors.Is(err, fs.ErrNotExist) {
			dir, err := owner.TempDir("source")
			if err != nil {
				return nil, err
			}
			defer os.RemoveAll(dir)
			if path, err = checkout(ctx, dir, revision, at); err != nil {
				return nil, fmt.Errorf("open %s: %w", word, err)
			}
		}
	}
	o, err := openFile(ctx, path, clang)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", word, err)
	}
	o.From = word
	return o, nil
}

func openFile(ctx context.Context, path, clang string) (*Object, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no such file" + near(path))
	}
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxObject {
		return nil, fmt.Errorf("not a regular file of at most %d MiB", maxObject>>20)
	}
	o := &Object{Name: baseName(path)}
	if strings.HasSuffix(path, ".c") {
		o.Raw, err = compile(ctx, path, clang)
	} else {
		o.Raw, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(o.Raw, []byte("\x7fELF")) {
		return nil, errors.New("it is not an ELF object: compile it with clang -target bpf, or name the source (.bpf.c)")
	}
	if err := runsHere(o.Raw); err != nil {
		return nil, err
	}
	o.Raw = readable(o.Raw)
	if o.Spec, err = ebpf.LoadCollectionSpecFromReader(bytes.NewReader(o.Raw)); err != nil {
		return nil, explainRead(o.Raw, err)
	}
	if len(o.Spec.Programs) == 0 {
		return nil, errors.New("the object has no BPF program")
	}
	return o, nil
}

// runsHere returns an error for an ELF object that is not BPF in this machine's byte order, which guests share.
func runsHere(raw []byte) error {
	f, err := elf.NewFile(bytes.NewReader(raw))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the file is cut off after %d bytes: compile it anew", len(raw))
	}
	if err != nil {
		return fmt.Errorf("read ELF: %w", err)
	}
	if f.Machine != elf.EM_BPF && f.Machine != elf.EM_NONE { // older compilers left it out
		return fmt.Errorf("it is an object for %s, not BPF: compile it with clang -target bpf", f.Machine)
	}
	if have := f.ByteOrder; have.Uint16([]byte{1, 0}) != binary.NativeEndian.Uint16([]byte{1, 0}) {
		return fmt.Errorf("its byte order is %s, not this machine's: compile it with clang -target bpf", have)
	}
	return nil
}

// near proposes the program beside a path that is named most like it, if one is near.
func near(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return ""
	}
	base := filepath.Base(path)
	names := harness.Filter(harness.Map(entries, fs.DirEntry.Name), Is)
	if name := harness.Closest(base, names); name != "" {
		return fmt.Sprintf(", did you mean %q?", strings.TrimSuffix(path, base)+name)
	}
	return ""
}

// undefinedRE finds what an object refers to in a section that the library does not read: the name and the section's number.
var undefinedRE = regexp.MustCompile(`reference to "([^"]*)" in section SHN_UNDEF\+(\d+)`)

// explainRead adds to an error of reading an object what to do about it.
func explainRead(raw []byte, err error) error {
	m := undefinedRE.FindStringSubmatch(err.Error())
	if strings.Contains(err.Error(), "missing BTF") {
		return fmt.Errorf("read BPF object: %w: it has no types: compile it with -g", err)
	}
	if m == nil {
		return fmt.Errorf("read BPF object: %w", err)
	}
	name, code := section(raw, m[2])
	switch {
	case code: // without instructions: others are read
		return fmt.Errorf("read BPF object: %s has no body in the object: write it, or, if the source has one, look for undefined behaviour in it "+
			"(a null pointer that is used, a loop without end), for which the compiler drops a body: %w", cmp.Or(m[1], "a function in section "+name), err)
	case strings.HasPrefix(name, ".addr_space."):
		return fmt.Errorf("read BPF object: variables in an arena (section %s) cannot be read: allocate them at run time (bpf_arena_alloc_pages): %w", name, err)
	}
	return fmt.Errorf("read BPF object: variables in section %s cannot be read: put them into .data, .bss or .rodata, or a section whose name begins so: %w", name, err)
}

// baseName is a file's name without what follows its first dot.
func baseName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return name
}

// checkout puts a revision's tree into dir and returns where the path lies in it. All of it, since sources include others.
func checkout(ctx context.Context, dir, revision, path string) (string, error) {
	top, err := git(ctx, "", "rev-parse", "--show-toplevel")
	if err != nil {
		return "", fmt.Errorf("%s: this folder is in no git repository, and there is no file of that name: %w", revision, err)
	}
	commit, err := git(ctx, "", "rev-parse", "--quiet", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return "", fmt.Errorf("there is no revision %s", revision)
	}
	prefix, err := git(ctx, "", "rev-parse", "--show-prefix")
	if err != nil {
		return "", err
	}
	inside := filepath.Join(prefix, path)
	if filepath.IsAbs(path) {
		if inside, err = filepath.Rel(top, path); err != nil {
			return "", err
		}
	}
	if _, err := git(ctx, top, "cat-file", "-e", commit+":"+filepath.ToSlash(inside)); err != nil {
		return "", fmt.Errorf("revision %s has no %s", revision, inside)
	}
	archive := exec.CommandContext(ctx, "git", "-C", top, "archive", "--format=tar", commit)
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", dir)
	var said, unpackSaid bytes.Buffer
	archive.Stderr, unpack.Stderr = &said, &unpackSaid
	if unpack.Stdin, err = archive.StdoutPipe(); err != nil {
		return "", err
	}
	if err := unpack.Start(); err != nil {
		return "", err
	}
	err = archive.Run()
	if err := errors.Join(err, unpack.Wait()); err != nil {
		return "", fmt.Errorf("check out revision %s: %w: %s%s", revision, err, said.String(), unpackSaid.String())
	}
	return filepath.Join(dir, inside), nil
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// compile compiles a source. It finds headers beside it, in folders named include of its folder and of those above, and the lab's.
func compile(ctx context.Context, path, clang string) ([]byte, error) {
	clang, err := findClang(clang)
	if err != nil {
		return nil, err
	}
	dir, err := owner.TempDir("compile")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	headers := filepath.Join(dir, "include")
	if err := bpf.WriteHeaders(headers); err != nil {
		return nil, err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	out := filepath.Join(dir, "out.bpf.o")
	args := []string{"-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Wno-unused-parameter", "-fdebug-prefix-map=" + filepath.Dir(path) + "=.",
		"-fdebug-prefix-map=" + headers + "=include", "-fdebug-compilation-dir=."} // a source gives the same bytes each time
	for _, d := range includes(path) {
		args = append(args, "-I"+d, "-fdebug-prefix-map="+d+"=include")
	}
	args = append(args, "-I"+headers, "-idirafter", "/usr/include/"+multiarch(), "-c", path, "-o", out)
	cmd := exec.CommandContext(ctx, clang, args...)
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	text := strings.TrimSpace(string(said))
	_, missing := os.Stat(out)
	switch {
	case err != nil && text == "":
		return nil, fmt.Errorf("%s: it does not compile: %w, and not a word why; is it a clang?", clang, err)
	case err != nil:
		return nil, fmt.Errorf("%s: it does not compile:\n%s", filepath.Base(clang), text)
	case missing != nil:
		return nil, fmt.Errorf("%s: it wrote no object; is it a clang?", clang)
	}
	return os.ReadFile(out)
}

// Folders are the folders whose files a source or an object is made of: its own, and those with its headers.
func Folders(path string) ([]string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return append([]string{filepath.Dir(path)}, includes(path)...), nil
}

// includes are the folders named include beside a file and in the folders above it.
func includes(path string) (out []string) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		for _, sub := range []string{"include", filepath.Join("bpf", "include")} {
			if st, err := os.Stat(filepath.Join(dir, sub)); err == nil && st.IsDir() && dir != "/" && dir != "/usr" {
				out = append(out, filepath.Join(dir, sub))
			}
		}
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil || dir == filepath.Dir(dir) {
			return out
		}
	}
}

// multiarch is the folder in which Debian and Ubuntu keep asm/.
func multiarch() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64-linux-gnu"
	}
	return "x86_64-linux-gnu"
}

func findClang(name string) (string, error) {
	if name != "" {
		return sys.LookTool(name)
	}
	for _, name := range clangs {
		if path, err := sys.LookTool(name); err == nil {
			return path, nil
		}
	}
	return "", harness.Skip("no clang is installed, which compiles BPF sources: apt-get install clang, or name one by --clang")
}
