// SPDX-License-Identifier: Apache-2.0

package source

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
)

// program is a source whose program returns what the header says.
const program = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "verdict.h"
char _license[] SEC("license") = "GPL";
SEC("xdp") int mine(struct xdp_md *ctx) { return VERDICT; }
`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// returns is the constant that the program returns.
func returns(t *testing.T, o *Object) int64 {
	t.Helper()
	for _, i := range o.Spec.Programs["mine"].Instructions {
		if i.OpCode.ALUOp() == asm.Mov && i.Dst == asm.R0 {
			return i.Constant
		}
	}
	t.Fatal("the program returns nothing")
	return 0
}

// TestOpen: a source, an object, and both at a revision, whose own headers it is compiled with.
func TestOpen(t *testing.T) {
	if _, err := findClang(""); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v: %s", args, err, said)
		}
	}
	run("init", "-q")
	write(t, "src/mine.bpf.c", program)
	write(t, "include/verdict.h", "#define VERDICT 1\n")
	o, err := Open(t.Context(), "src/mine.bpf.c", "")
	if err != nil {
		t.Fatal(err)
	}
	if o.Name != "mine" || o.From != "src/mine.bpf.c" || returns(t, o) != 1 {
		t.Errorf("%s from %s returns %d", o.Name, o.From, returns(t, o))
	}
	if err := os.WriteFile("src/mine.bpf.o", o.Raw, 0o644); err != nil {
		t.Fatal(err)
	}
	run("add", ".")
	run("commit", "-q", "-m", "one")
	write(t, "include/verdict.h", "#define VERDICT 2\n")
	for word, want := range map[string]int64{"src/mine.bpf.c": 2, "HEAD:src/mine.bpf.c": 1, "HEAD:src/mine.bpf.o": 1, "src/mine.bpf.o": 1, filepath.Join(dir, "src/mine.bpf.c"): 2} {
		o, err := Open(t.Context(), word, "")
		if err != nil {
			t.Errorf("%s: %v", word, err)
			continue
		}
		if got := returns(t, o); got != want {
			t.Errorf("%s returns %d, want %d", word, got, want)
		}
	}
	t.Chdir("src") // paths of revisions start at the folder one stands in, too
	if o, err := Open(t.Context(), "HEAD:mine.bpf.c", ""); err != nil || returns(t, o) != 1 {
		t.Errorf("HEAD:mine.bpf.c from src: %v", err)
	}
}

// TestSameBytes: a source gives the same object each time, also at a revision, which is compiled in a temporary folder: the lab tells by
// its bytes whether a program was measured before.
func TestSameBytes(t *testing.T) {
	if _, err := findClang(""); err != nil {
		t.Skip(err)
	}
	var first []byte
	for range 2 {
		dir := t.TempDir()
		t.Chdir(dir)
		write(t, "src/mine.bpf.c", strings.Replace(program, "#include", "#include \"tcp.bpf.h\"\n#include", 1))
		write(t, "include/verdict.h", "#define VERDICT 1\n")
		o, err := Open(t.Context(), "src/mine.bpf.c", "")
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = o.Raw
		}
		if !bytes.Equal(first, o.Raw) {
			t.Error("two compilations of one source give different objects")
		}
	}
}

// TestOpenRefuses: each mistake is told apart, and nothing is left in the temporary folder.
func TestOpenRefuses(t *testing.T) {
	tmp := t.TempDir()
	dir := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Chdir(dir)
	write(t, "text.bpf.o", "hello")
	write(t, "wrong.bpf.c", "int x = ;\n")
	write(t, "empty.bpf.c", "int x;\n")
	write(t, "folder/x", "")
	if err := os.WriteFile("elf.bpf.o", append([]byte("\x7fELF"), bytes.Repeat([]byte{0}, 100)...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("folder", "folder.bpf.o"); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"none.bpf.c":      "there is no such file",
		"text.bpf.o":      "not an ELF object",
		"elf.bpf.o":       "read ELF",
		"folder.bpf.o":    "not a regular file",
		"HEAD:none.bpf.c": "in no git repository",
	}
	if _, err := findClang(""); err == nil {
		cases["wrong.bpf.c"], cases["empty.bpf.c"] = "wrong.bpf.c:1:9: error: expected expression", "has no BPF program"
	}
	if clang, err := findClang(""); err == nil {
		for object, target := range map[string]string{"big.bpf.o": "bpfeb", "machine.bpf.o": "x86_64-linux-gnu"} {
			if out, err := exec.Command(clang, "-target", target, "-c", "empty.bpf.c", "-o", object).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		write(t, "untyped.bpf.c", "struct { int (*type)[2]; } m __attribute__((section(\".maps\")));\n"+
			"__attribute__((section(\"xdp\"))) int f(void *ctx) { return m.type ? 2 : 1; }\n")
		if out, err := exec.Command(clang, "-O2", "-target", "bpf", "-c", "untyped.bpf.c", "-o", "untyped.bpf.o").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		raw, err := os.ReadFile("untyped.bpf.o")
		if err != nil {
			t.Fatal(err)
		}
		write(t, "cut.bpf.o", string(raw[:len(raw)-100]))
		cases["untyped.bpf.o"], cases["cut.bpf.o"] = "it has no types: compile it with -g", fmt.Sprintf("the file is cut off after %d bytes", len(raw)-100)
		cases["big.bpf.o"], cases["machine.bpf.o"] = "its byte order is BigEndian", "an object for EM_X86_64, not BPF"
	}
	for word, want := range cases {
		_, err := Open(context.Background(), word, "")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v, want %q", word, err, want)
		}
	}
	if _, err := Open(context.Background(), "wrong.bpf.c", "no-such-clang"); err == nil || !strings.Contains(err.Error(), "no-such-clang") {
		t.Errorf("a clang that is not installed: %v", err)
	}
	for clang, want := range map[string]string{"false": "it does not compile: exit status 1, and not a word why", "true": "it wrote no object"} {
		if _, err := Open(context.Background(), "wrong.bpf.c", clang); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", clang, err, want)
		}
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if out, err := exec.Command("git", "init", "-q").CombinedOutput(); err != nil {
		t.Fatal(string(out))
	}
	for word, want := range map[string]string{"HEAD:text.bpf.o": "there is no revision HEAD", "--help:x.bpf.c": "there is no revision"} {
		if _, err := Open(context.Background(), word, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", word, err, want)
		}
	}
}
