// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// put makes a file with a mode in a new folder, and returns the folder.
func put(t *testing.T, name string, mode os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLookTool(t *testing.T) {
	first, second := put(t, "kxtool", 0o755), put(t, "kxtool", 0o755)
	plain, here := put(t, "kxtool", 0o644), put(t, "kxtool", 0o755)
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "kxtool"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(here)
	for _, c := range []struct {
		about, path, name, want string
	}{
		{"first of two", first + ":" + second, "kxtool", first + "/kxtool"},
		{"one that is not executable is passed over", plain + ":" + second, "kxtool", second + "/kxtool"},
		{"a folder is passed over", folder + ":" + second, "kxtool", second + "/kxtool"},
		{"the working folder is passed over", ".::" + second, "kxtool", second + "/kxtool"},
		{"a path is itself", first, second + "/kxtool", second + "/kxtool"},
		{"a relative path is made absolute", first, "./kxtool", here + "/kxtool"},
	} {
		t.Setenv("PATH", c.path)
		if got, err := LookTool(c.name); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.about, got, err, c.want)
		}
	}
}

// The folders of administrators' programs come after those of PATH.
func TestSearchDirs(t *testing.T) {
	for path, want := range map[string]string{
		"":                    "/usr/sbin /sbin /usr/local/sbin",
		"/bin:.:a/b::/sbin/x": "/bin /sbin/x /usr/sbin /sbin /usr/local/sbin",
	} {
		if got := strings.Join(searchDirs(path), " "); got != want {
			t.Errorf("PATH %q: %s, want %s", path, got, want)
		}
	}
	t.Setenv("PATH", "/nowhere")
	if _, err := os.Stat("/usr/sbin/chroot"); err != nil {
		t.Skip(err)
	}
	if got, err := LookTool("chroot"); err != nil || got != "/usr/sbin/chroot" {
		t.Errorf("without PATH: %q, %v", got, err)
	}
}

// TestLookToolMissing: a missing program is a skip that names the program and, if the caller does, the package.
func TestLookToolMissing(t *testing.T) {
	plain, also := put(t, "kxtool", 0o644), put(t, "kxtool", 0o644)
	for _, c := range []struct {
		path, name string
		pkg        []string
		want       string
	}{
		{"/nowhere", "kxtool", nil, "program kxtool is not installed"},
		{"/nowhere", "kxtool", []string{"kxtools"}, "program kxtool is not installed: `apt-get install kxtools` adds it"},
		{plain + ":" + also, "kxtool", []string{"kxtools"}, "program " + plain + "/kxtool cannot be executed"},
		{plain, plain + "/kxtool", nil, "program " + plain + "/kxtool cannot be executed"},
		{plain, "/nowhere/kxtool", nil, "program /nowhere/kxtool does not exist"},
		{plain, "", nil, "program  is not installed"},
	} {
		t.Setenv("PATH", c.path)
		path, err := LookTool(c.name, c.pkg...)
		if path != "" || !errors.Is(err, harness.ErrNotSupported) || err.Error() != c.want {
			t.Errorf("%q in PATH %q: %q, %v; want a skip %q", c.name, c.path, path, err, c.want)
		}
	}
}
