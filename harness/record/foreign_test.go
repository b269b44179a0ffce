// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// finished makes a complete run of four trials.
func finished(t *testing.T) string {
	t.Helper()
	w, dir := create4(t)
	errs := []error{w.Gate(Gate{Variant: "a", Passed: true})}
	for i := range 4 {
		errs = append(errs, w.Trial(testTrial(i)))
	}
	errs = append(errs, w.Outcome(CellOutcome{Cell: testTrial(0).Cell.BenchName(), Outcome: harness.OutcomeMeasured}), w.Finish())
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestForeignFiles: a run directory of another user can neither hang a reader nor have it read what lies elsewhere.
func TestForeignFiles(t *testing.T) {
	elsewhere := finished(t)
	for kind, tt := range map[string]struct {
		make func(path, name string) error
		says string
	}{
		"FIFO":      {func(path, _ string) error { return syscall.Mkfifo(path, 0o644) }, "is not a regular file"},
		"device":    {func(path, _ string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o644, 1<<8|5) }, "is not a regular file"}, // /dev/zero
		"folder":    {func(path, _ string) error { return os.Mkdir(path, 0o755) }, "is not a regular file"},
		"socket":    {makeSocket, "is not a regular file"},
		"link":      {func(path, name string) error { return os.Symlink(filepath.Join(elsewhere, name), path) }, "leads out of the directory"},
		"link to /": {func(path, _ string) error { return os.Symlink("/dev/zero", path) }, "leads out of the directory"},
	} {
		for _, name := range []string{EnvFile, benchFile, samplesFile} {
			if kind == "device" && os.Geteuid() != 0 {
				continue
			}
			dir := finished(t)
			path := filepath.Join(dir, name)
			if err := errors.Join(os.Remove(path), tt.make(path, name)); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				_, err := Open(dir)
				ended <- err
			}()
			select {
			case err := <-ended:
				if !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), name+" "+tt.says) {
					t.Errorf("%s as a %s: %v", name, kind, err)
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("%s as a %s: still reading after 5 s", name, kind)
			}
		}
	}
	dir := finished(t)
	if err := errors.Join(os.Rename(filepath.Join(dir, benchFile), filepath.Join(dir, "b")), os.Symlink("b", filepath.Join(dir, benchFile))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err != nil {
		t.Errorf("a link within the directory: %v", err)
	}
}

func makeSocket(path, _ string) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
}

// TestImpossible: a record that contradicts itself, bytes that are no line, and values that no measurement gives are damage.
func TestImpossible(t *testing.T) {
	dir := finished(t)
	good := map[string]string{}
	for _, name := range []string{EnvFile, benchFile, samplesFile} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		good[name] = string(raw)
	}
	for _, tt := range []struct{ what, name, old, new, says string }{
		{"complete, less done than planned", EnvFile, `"plan": 4`, `"plan": 100`, "4 of 100 trials were done"},
		{"NULs at the end", benchFile, "", "\x00\x00\x00", "in the middle of a line"},
		{"NULs in a line", benchFile, "", "\x00\x00\x00\n", "is no line of the format"},
		{"words", benchFile, "", "once upon a time\n", `bench.txt:14: "once upon a time" is no line of the format`},
		{"no UTF-8", benchFile, "", "x: \xff\xfe\n", "is no line of the format"},
		{"a negative rate", benchFile, "7.1e+06", "-7.1e+06", "-7.1e+06 pkt/s: it cannot be negative"},
		{"a negative time", benchFile, "140.5 cpu", "-140.5 cpu", "cannot be negative"},
		{"next to nothing", benchFile, "140.5 cpu", "1e-320 cpu", "no measurement gives that"},
		{"beyond all measure", benchFile, "140.5 cpu", "1e300 cpu", "no measurement gives that"},
		{"negative iterations", benchFile, " 1000 ", " -1000 ", "damaged"},
		{"half a sample", samplesFile, "", `{"schema":1`, "in the middle of a line"},
		{"a sample before the first", samplesFile, `"repeat":1`, `"repeat":-1`, "repeat -1"},
		{"a sample of negative time", samplesFile, `"measured_sec":1`, `"measured_sec":-1`, "measured -1 s"},
	} {
		fs := fstest.MapFS{}
		for name, text := range good {
			if name == tt.name && tt.old == "" {
				text += tt.new
			} else if name == tt.name {
				if !strings.Contains(text, tt.old) {
					t.Fatalf("%s: %q is not in %s", tt.what, tt.old, name)
				}
				text = strings.Replace(text, tt.old, tt.new, 1)
			}
			fs[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if _, err := open(fs); !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q in it", tt.what, err, tt.says)
		}
	}
	for unit, want := range map[string]bool{"insn/run": true, "cpu-ns/run": true, "insn/op": false, "sec": false, "retrans-share": false, "pkt/s": false} {
		if err := checkValue(unit, -0.25); (err == nil) != want {
			t.Errorf("-0.25 %s: %v", unit, err)
		}
	}
	if err := checkValue("error-share", 1.6); err != nil {
		t.Errorf("a relative deviation of 160 %%: %v", err)
	}
}
