// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestReadRegular: errors name the file, what is wrong with it, and a name beside it that is near.
func TestReadRegular(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"bad.yaml", "traffic.pcap", "sub/x.yaml"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"none.yaml": "none.yaml: no such file", "bed.yaml": `bed.yaml: no such file, did you mean "bad.yaml"?`, "bad.pcap": "bad.pcap: no such file",
		"./trafic.pcap": `./trafic.pcap: no such file, did you mean "traffic.pcap"?`, "sub/y.yaml": `sub/y.yaml: no such file, did you mean "sub/x.yaml"?`,
		"sub": "sub: not a regular file of at most 1 KiB", "bad.yaml/x": "bad.yaml/x: not a directory",
	} {
		_, err := ReadRegular(path, 1024)
		var file *FileError
		if !errors.As(err, &file) || err.Error() != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	if _, err := ReadRegular("none", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap fs.ErrNotExist", err)
	}
	if raw, err := ReadRegular("bad.yaml", 5); err != nil || string(raw) != "12345" {
		t.Errorf("%q, %v", raw, err)
	}
}
