// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness/cache"
	"golang.org/x/sys/unix"
)

// fakeAPT is APT and dpkg with one kernel. FAKE says how the download goes: it fails, or hangs with its process in $WORK/pid.
const fakeAPT = `#!/bin/sh
case "${0##*/} $1" in
"apt-get indextargets") printf 'Debian\tDebian\thttp://deb.example.org/debian/\n' ;;
"apt-cache show")
	printf 'Version: 9.9-1\n'
	case "$3" in linux-image-cloud-amd64) printf 'Depends: linux-image-9.9-cloud\n' ;; esac ;;
"apt-get download")
	: >kernel.deb
	case "$FAKE" in
	fail) echo "E: no route" >&2; exit 100 ;;
	hang) sleep 1000 & echo $$ $! >"$WORK/new"; mv "$WORK/new" "$WORK/pid"; wait ;;
	esac ;;
"dpkg-deb -x") mkdir "$3/boot" && cp "$WORK/image" "$3/boot/vmlinuz-9.9" ;;
esac
`

// fakeMirror puts fakeAPT on PATH, and an empty cache in its place. It returns the folder WORK.
func fakeMirror(t *testing.T) string {
	t.Helper()
	work := t.TempDir()
	image := make([]byte, 0x400)
	copy(image[0x202:], "HdrS")
	image[0x20f] = 1 // the text is at 0x100+0x200
	copy(image[0x300:], "9.9 (made up)")
	err := os.WriteFile(filepath.Join(work, "image"), image, 0o644)
	for _, name := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(work, name), []byte(fakeAPT), 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", work+":"+os.Getenv("PATH"))
	t.Setenv("WORK", work)
	t.Setenv(cache.Env, t.TempDir())
	return work
}

// fetchers returns the processes of the download that hangs, once it does.
func fetchers(t *testing.T, work string) (pids []int) {
	t.Helper()
	for range 1000 {
		raw, err := os.ReadFile(filepath.Join(work, "pid"))
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		for f := range strings.FieldsSeq(string(raw)) {
			pid, _ := strconv.Atoi(f)
			pids = append(pids, pid)
		}
		return pids
	}
	t.Fatal("nothing was downloaded")
	return nil
}

func kill(pid int) { _ = unix.Kill(pid, unix.SIGKILL) }

// waitGone waits until a process is no longer there, or is a zombie.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(raw), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d lives on", pid)
	kill(pid)
}

// TestFetch: a fetch that fails, is cancelled or is killed leaves no process, and no kernel in the cache. The next one
// removes what it left.
func TestFetch(t *testing.T) {
	work := fakeMirror(t)
	kernels, err := cache.Dir("kernels")
	if err != nil {
		t.Fatal(err)
	}
	s := spec{suite: "forky"}
	check := func(what string, parts, want int) {
		t.Helper()
		left, _ := filepath.Glob(filepath.Join(kernels, "part-*"))
		if cached, err := Cached(); len(cached) != want || err != nil || len(left) != parts {
			t.Errorf("%s: %d kernels, error %v, files %q; want %d kernels and %d files", what, len(cached), err, left, want, parts)
		}
	}

	t.Setenv("FAKE", "fail")
	if _, err := fetch(t.Context(), s); err == nil || !strings.HasSuffix(err.Error(), "exit status 100: E: no route") {
		t.Errorf("without a network: %v", err)
	}
	check("without a network", 0, 0)

	t.Setenv("FAKE", "hang")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := fetch(ctx, s)
		failed <- err
	}()
	pids := fetchers(t, work)
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) || strings.HasSuffix(err.Error(), ": ") {
		t.Errorf("cancelled: %v", err)
	}
	for _, pid := range pids {
		waitGone(t, pid)
	}
	check("cancelled", 0, 0)

	if err := os.Remove(filepath.Join(work, "pid")); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), "/proc/self/exe", "guest:fetch")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pids = fetchers(t, work)
	_ = child.Process.Kill()
	_ = child.Wait()
	waitGone(t, pids[0])
	kill(pids[1]) // a child of the download's
	left, _ := filepath.Glob(filepath.Join(kernels, "part-*"))
	if len(left) != 1 {
		t.Fatalf("killed: files %q", left)
	}
	if err := os.WriteFile(filepath.Join(left[0], "kernel.json"), []byte("{"), 0o644); err != nil { // as if killed later
		t.Fatal(err)
	}
	check("killed", 1, 0)

	t.Setenv("FAKE", "")
	k, err := fetch(t.Context(), s)
	if err != nil || k.Release != "9.9" || !exists(k.Image) {
		t.Errorf("fetched %+v, %v", k, err)
	}
	check("fetched", 0, 1)
}
