// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSpec(t *testing.T) {
	for name, want := range map[string]spec{
		"":                 {suite: DefaultSpec},
		"forky":            {suite: "forky"},
		"debian:trixie":    {suite: "trixie"},
		"6.12":             {version: "6.12"},
		"7.2.12-1/full":    {version: "7.2.12-1", full: true},
		"forky/full":       {suite: "forky", full: true},
		"/boot/vmlinuz":    {path: "/boot/vmlinuz"},
		"../linux":         {path: "../linux"},
		"trixie-backports": {suite: "trixie-backports"},
		"debian:next":      {suite: "next"},
	} {
		got, err := parseSpec(name)
		if err != nil || got != want {
			t.Errorf("parseSpec(%q) = %+v, %v; want %+v", name, got, err, want)
		}
	}
	for _, name := range []string{"foo", "forkly", "trixie-backport", "debian:Foo"} {
		if err := CheckName(name); err == nil {
			t.Errorf("%q is a kernel's name", name)
		}
	}
	if _, err := parseSpec("Ubuntu 22"); err == nil {
		t.Error("nonsense is taken for a kernel")
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		version, prefix string
		want            bool
	}{{"6.12.1-1", "6.12", true}, {"6.12.1-1", "6.1", false}, {"6.1.140-1", "6.1", true}, {"7.2", "7.2", true}} {
		if got := versionMatches(c.version, c.prefix); got != c.want {
			t.Errorf("versionMatches(%s, %s) = %v", c.version, c.prefix, got)
		}
	}
	if compareVersions("6.9-1", "6.12-1") >= 0 || compareVersions("7.2.12-1", "7.2.12-1") != 0 || compareVersions("7.2.12-1", "7.2.9-1") <= 0 {
		t.Error("versions are not ordered by their numbers")
	}
}

func TestFrames(t *testing.T) {
	raw := encodeFrame(encodeFrame(nil, frameStdout, []byte("hi")), frameBeat, nil)
	r := bytes.NewReader(raw)
	for _, want := range []frame{{frameStdout, []byte("hi")}, {frameBeat, []byte{}}} {
		got, err := readFrame(r)
		if err != nil || !cmp.Equal(got, want, cmp.AllowUnexported(frame{})) {
			t.Errorf("read %+v, %v; want %+v", got, err, want)
		}
	}
	if _, err := readFrame(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	for n := 1; n < frameHead+2; n++ {
		if _, err := readFrame(bytes.NewReader(raw[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	if _, err := readFrame(strings.NewReader("Kernel panic")); !errors.Is(err, errFrame) {
		t.Errorf("something else: %v", err)
	}
}

// The archive is what cpio reads, and the same each time.
func TestCPIO(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("cpio is not installed")
	}
	entries := sortEntries([]entry{
		{name: "/usr/bin/x", mode: modeFile | 0o755, content: []byte("hello")},
		{name: "/bin", mode: modeLink | 0o777, content: []byte("usr/bin")},
	})
	var a, b bytes.Buffer
	for _, w := range []io.Writer{&a, &b} {
		if err := writeCPIO(w, entries, 1); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same entries give different archives")
	}
	dir := t.TempDir()
	cmd := exec.Command("cpio", "-id", "--quiet")
	cmd.Dir, cmd.Stdin = dir, &a
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v: %s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, "bin/x"))
	if err != nil || string(got) != "hello" {
		t.Errorf("read through the link: %q, %v", got, err)
	}
}

// The processor is chosen by the kernel's release; one that cannot be read is taken for a new one.
func TestCPUModel(t *testing.T) {
	for release, want := range map[string]string{
		"6.12.95+deb12-cloud-amd64": "max,-cx16", "6.17.0": "max,-cx16", "5.10": "max,-cx16",
		"6.18.0-rc1": "max", "7.2.12+deb14-cloud-amd64": "max", "": "max",
	} {
		if got := cpuModel(release); got != want {
			t.Errorf("%q: %s, want %s", release, got, want)
		}
	}
}
