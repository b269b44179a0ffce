// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/mark"
	"github.com/kxlab/kxlab/harness/profile"
)

// spins are the instructions of counted's laps that compute.
const spins = 4_000_000

// counted is a program in a guest: it opens a window with a lap that computes, and one of system calls and page faults, and prints
// how long each took by a clock that counts instructions.
func counted() error {
	runtime.LockOSThread()
	now := func() int64 {
		var ts unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
		return ts.Nano()
	}
	memory, err := unix.Mmap(-1, 0, 4<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	mark.Begin()
	t0 := now()
	spin(spins / 2)
	t1 := now()
	mark.Lap()
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	for range 1000 {
		_, _ = unix.Getpgid(0)
	}
	t2 := now()
	mark.Lap()
	mark.End()
	fmt.Println(t1-t0, t2-t1)
	time.Sleep(time.Millisecond)
	fmt.Println(now())
	return nil
}

// runCounted runs counted, and returns what it printed and what the plug-in counted.
func runCounted(t *testing.T, out *os.File) (string, []profile.Window) {
	t.Helper()
	c, text := guestCmd(t, "counted")
	c.Exact, c.Counts = &Exact{Seed: 7}, out
	if err := run(t, c); err != nil {
		t.Fatal(err)
	}
	if out == nil {
		return text.String(), nil
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	trials, err := profile.ReadCounts(out)
	if err != nil || len(trials) != 1 {
		t.Fatalf("%d trials, %v", len(trials), err)
	}
	return text.String(), trials[0]
}

// The plug-in counts as many instructions as the guest's clock, and the guest does not notice it.
func TestCounts(t *testing.T) {
	if err := CanCount(); err != nil {
		t.Skip(err)
	}
	out, err := inMemory("counts", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	text, windows := runCounted(t, out)
	if plain, _ := runCounted(t, nil); text != plain {
		t.Errorf("counted:\n%snot counted:\n%s", text, plain)
	}
	if len(windows) != 1 || len(windows[0].Laps) != 2 {
		t.Fatalf("%d windows, want one with two laps", len(windows))
	}
	var want [2]float64
	if _, err := fmt.Fscan(strings.NewReader(text), &want[0], &want[1]); err != nil {
		t.Fatal(err)
	}
	for i, lap := range windows[0].Laps {
		got := float64(lap.Total())
		t.Logf("lap %d: %.0f counted, %.0f by the clock", i, got, want[i])
		if math.Abs(got/want[i]-1) > 0.001 {
			t.Errorf("lap %d: %.0f instructions counted, %.0f by the guest's clock", i, got, want[i])
		}
	}
	var most uint64
	for _, n := range windows[0].Laps[0] {
		most = max(most, n)
	}
	if most < spins-10 || most > spins+10 {
		t.Errorf("the block executed most: %d instructions, want %d", most, spins)
	}
}

// A QEMU without the interface is not supported, and said to be so before a guest starts.
func TestCanCount(t *testing.T) {
	self, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Skip(err)
	}
	for name, content := range map[string][]byte{"has no plug-ins": self, "is no ELF file": []byte("#!/bin/sh\n")} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "qemu-system-x86_64"), content, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir)
		if err := CanCount(); !errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}
