// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// TestSum: a file that is cut off anywhere, or changed, is damaged; one of before sums is read, with a remark, unless it ends within a line or
// has marks of a conflict.
func TestSum(t *testing.T) {
	dir := t.TempDir()
	e := invented(1, 1, 2, harness.TargetExact, func(int, int, int) float64 { return 1 })[0]
	if err := Add(dir, Entry{Commit: e.Commit, Subject: strings.Repeat("a long subject ", 10000)}, e.Runs[0], false); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, e.Commit+ext)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open := func(data []byte) (int, []string, error) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		entries, remarks, err := Open(dir)
		return len(entries), remarks, err
	}
	for _, data := range [][]byte{whole, bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n"))} {
		if n, remarks, err := open(data); n != 1 || len(remarks) > 0 || err != nil {
			t.Errorf("a whole file: %d entries, %q, %v", n, remarks, err)
		}
	}
	for cut := range whole {
		if n, _, err := open(whole[:cut]); n != 0 || err == nil {
			t.Fatalf("cut off after %d of %d bytes: %d entries, %v", cut, len(whole), n, err)
		}
	}
	at := bytes.LastIndex(whole, []byte(sumKey))
	old := bytes.TrimPrefix(whole[:at], []byte(formatLine))
	if n, remarks, err := open(old); n != 1 || err != nil || len(remarks) != 1 || !strings.Contains(remarks[0], "1 file without a sum") {
		t.Errorf("an older file: %d entries, %q, %v", n, remarks, err)
	}
	conflict := fmt.Sprintf("%s<<<<<<< HEAD\nrepeat: 2\n=======\nrepeat: 3\n>>>>>>> side\n", old)
	for want, data := range map[string]string{
		"its sum is another":       strings.Replace(string(whole), " 1 insn/pkt", " 2 insn/pkt", 1),
		"last line is not its sum": string(whole) + "repeat: 2\n",
		"within its last line":     string(old[:len(old)-5]),
		"merge conflict":           conflict,
		"a newer lab":              strings.Replace(string(whole), formatLine, "format: 3\n", 1),
	} {
		if n, _, err := open([]byte(data)); n != 0 || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %d entries, %v", want, n, err)
		}
	}
}

// TestOtherNames: files that are named otherwise than a commit are not read, and named.
func TestOtherNames(t *testing.T) {
	dir := t.TempDir()
	e := invented(1, 1, 2, harness.TargetExact, func(int, int, int) float64 { return 1 })[0]
	if err := Add(dir, Entry{Commit: e.Commit}, e.Runs[0], false); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{commit(7)[:12] + ext, strings.ToUpper(strings.Repeat("ab", 20)) + ext, commit(8) + ".copy" + ext, notesFile, "README.md"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if entries, remarks, err := Open(dir); len(entries) != 1 || err != nil || len(remarks) != 3 {
		t.Errorf("%d entries, %q, %v", len(entries), remarks, err)
	}
}

// TestOtherKernel: a second run of a setting on another kernel is refused with what to do.
func TestOtherKernel(t *testing.T) {
	dir := t.TempDir()
	e := invented(1, 1, 2, harness.TargetExact, func(int, int, int) float64 { return 1 })[0]
	if err := Add(dir, Entry{Commit: e.Commit}, e.Runs[0], false); err != nil {
		t.Fatal(err)
	}
	other := e.Runs[0]
	other.Kernel = "6.12"
	if err := Add(dir, Entry{Commit: e.Commit}, other, false); err == nil || !strings.Contains(err.Error(), "kernel 7.2 → 6.12") || !strings.Contains(err.Error(), "--history") {
		t.Errorf("another kernel: %v", err)
	}
}
