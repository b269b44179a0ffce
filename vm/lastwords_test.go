// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness/cache"
)

// TestQEMUEnds: a QEMU that ends before its guest is ready ends the guest at once, with its last words, whether the guest boots or resumes.
func TestQEMUEnds(t *testing.T) {
	qemu, err := findQEMU()
	if err != nil {
		t.Skip(err)
	}
	folder := t.TempDir()
	script := "#!/bin/sh\ncase \"$*\" in *-version*|*-help*|*help*) exec " + qemu + " \"$@\";; esac\necho 'qemu: boo' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(folder, filepath.Base(qemu)), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	for _, booted := range []bool{true, false} {
		began := time.Now()
		c, _ := guestCmd(t, "digits")
		c.Exact, c.NoSnapshots = &Exact{Seed: 1}, booted
		err := run(t, c)
		if err == nil || !strings.Contains(err.Error(), "boo") || strings.Contains(err.Error(), "timeout") {
			t.Errorf("booted %v: error %v, want QEMU's words", booted, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("booted %v: it took %v", booted, took)
		}
	}
}

// TestDamagedKernel: an unpacked kernel with a flipped byte is unpacked anew before a guest boots it, with a note.
func TestDamagedKernel(t *testing.T) {
	c, _ := guestCmd(t, "digits")
	var notes []string
	ctx := cache.WithNote(t.Context(), func(s string) { notes = append(notes, s) })
	path, err := bootable(ctx, c.Kernel, true)
	if err != nil {
		t.Fatal(err)
	}
	if path == c.Kernel.Image {
		t.Skip("this kernel is booted as it is")
	}
	t.Setenv(cache.Env, t.TempDir()) // not the one that other tests use
	if path, err = bootable(ctx, c.Kernel, true); err != nil {
		t.Fatal(err)
	}
	flip(t, path)
	if _, err := bootable(ctx, c.Kernel, false); err != nil || len(notes) > 0 {
		t.Errorf("a guest that resumes reads no kernel: %q, %v", notes, err)
	}
	if _, err := bootable(ctx, c.Kernel, true); err != nil || len(notes) != 1 || !strings.Contains(notes[0], "its checksum is another") {
		t.Errorf("notes %q, %v, want one about the damage", notes, err)
	}
	if err := cache.Whole(path); err != nil {
		t.Errorf("it is still damaged: %v", err)
	}
}
