// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
)

// The same inputs give the same image, made anew or taken from the cache, and taking it is fast.
func TestImageRepeats(t *testing.T) {
	c, _ := guestCmd(t, "hello")
	c.Modules, c.Tools = []string{"ip_vs_mh", "veth", "sch_netem"}, []string{"ip", "tc", "nft", "iptables-legacy"}
	c.Files = map[string]File{"/etc/a": {Content: []byte("a")}, "/etc/b": {Source: "/etc/passwd"}}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	build := func() (sum [sha256.Size]byte, took time.Duration) {
		began := time.Now()
		img, err := buildImage(t.Context(), c, self, task{Args: c.Args}, nil)
		took = time.Since(began)
		if errors.Is(err, harness.ErrNotSupported) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer img.file.Close()
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(img.file, 0, img.size)); err != nil {
			t.Fatal(err)
		}
		return [sha256.Size]byte(h.Sum(nil)), took
	}
	t.Setenv(cache.Env, t.TempDir())
	first, made := build()
	again, taken := build()
	t.Setenv(cache.Env, t.TempDir())
	anew, _ := build()
	t.Logf("made in %v, taken in %v", made, taken)
	if first != again || first != anew {
		t.Errorf("images differ: %x, from the cache %x, made anew %x", first, again, anew)
	}
	if taken > time.Second {
		t.Errorf("taken from the cache in %v, want at most 1 s", taken)
	}
}

// TestImageByContent: one binary in two places has one image; another binary of the same size, in the same place with the same time,
// has another.
func TestImageByContent(t *testing.T) {
	c, _ := guestCmd(t, "hello")
	t.Setenv(cache.Env, t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	id := buildID(self)
	if id == "" {
		t.Skip("this binary was linked without an id")
	}
	raw, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	base := func(path string) string {
		t.Helper()
		f, err := openBase(t.Context(), c.Kernel, path, nil, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		return f.Name()
	}
	write := func(content []byte) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "kxlab")
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := base(write(raw))
	if again := base(write(raw)); again != first {
		t.Errorf("the same binary has two images: %s, %s", first, again)
	}
	_, end, _ := strings.Cut(id, "/")
	other := bytes.ReplaceAll(raw, []byte(end), bytes.ToLower([]byte(end)))
	if name := base(write(other)); name == first {
		t.Errorf("another binary has the same image: %s", name)
	}
}
