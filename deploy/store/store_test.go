// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// A server is a store in this process. Its intercept, if it is set, may answer instead.
type server struct {
	url       func(folder string) string
	intercept func(w http.ResponseWriter, r *http.Request) (done bool)
	change    func(body []byte, path string) []byte // of answers to GET
	dir       string                                // of file://
}

// newServer starts a store of a scheme. File has no server, and its objects are files.
func newServer(t *testing.T, scheme string) *server {
	t.Helper()
	s := &server{}
	if scheme == "file" {
		s.dir = t.TempDir()
		s.url = func(folder string) string { return "file://" + s.dir + "/" + folder }
		return s
	}
	var h http.Handler = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if scheme == "s3" {
		store := s3mem.New()
		if err := store.CreateBucket("bucket"); err != nil {
			t.Fatal(err)
		}
		h = gofakes3.New(store, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
		t.Setenv("AWS_ACCESS_KEY_ID", "a")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
		t.Setenv("AWS_MAX_ATTEMPTS", "1")
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.intercept != nil && s.intercept(w, r) {
			return
		}
		if s.change == nil || r.Method != http.MethodGet {
			h.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		body := s.change(rec.Body.Bytes(), r.URL.Path)
		for k, v := range rec.Header() {
			if k != "Content-Length" && !strings.HasPrefix(k, "X-Amz-Checksum") { // a store without sums of its own
				w.Header()[k] = v
			}
		}
		w.WriteHeader(rec.Code)
		w.Write(body)
	}))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	s.url = func(folder string) string {
		if scheme == "s3" {
			return fmt.Sprintf("s3://bucket/run/%s?region=x&use_path_style=true&endpoint=%s", folder, url.QueryEscape(srv.URL))
		}
		if folder != "" {
			folder = ":" + folder
		}
		return fmt.Sprintf("oci://%s/lab/run%s?plain_http=true", host, folder)
	}
	return s
}

var schemes = []string{"file", "s3", "oci"}

// shard makes a folder that looks like a shard's.
func shard(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"plan.json": "a plan", "run1-guest001-1.json.gz": strings.Repeat(fmt.Sprint("guest ", n), 5000), "shard.json": fmt.Sprint("header ", n),
		"more/run2-guest001-1.json.gz": "guest", ".kxlab-half": "half",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// same compares two folders but for hidden files.
func same(t *testing.T, got, want string) {
	t.Helper()
	a, err := readFolder(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := readFolder(want)
	if err != nil || !slices.Equal(a.Files, b.Files) {
		t.Errorf("got %v, want %v, %v", a.Files, b.Files, err)
	}
}

// TestThereAndBack: folders come back as they were, one by one and all together, also after a second put.
func TestThereAndBack(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) {
			s, dir := newServer(t, scheme), t.TempDir()
			shards := []string{shard(t, 0), shard(t, 1)}
			for range 2 {
				for n, from := range shards {
					if err := put(t.Context(), options{}, from, s.url(fmt.Sprint(n))); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := get(t.Context(), options{}, s.url("1"), filepath.Join(dir, "one")); err != nil {
				t.Fatal(err)
			}
			same(t, filepath.Join(dir, "one"), shards[1])
			all := filepath.Join(dir, "all")
			if err := os.Mkdir(all, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := get(t.Context(), options{}, s.url(""), all); err != nil {
				t.Fatal(err)
			}
			for n, from := range shards {
				same(t, filepath.Join(all, fmt.Sprint(n)), from)
			}
			if err := get(t.Context(), options{}, s.url(""), all); err == nil || !strings.Contains(err.Error(), "is not empty: name a new folder") {
				t.Errorf("a folder that is not empty: %v", err)
			}
			nothing := newServer(t, scheme)
			if err := get(t.Context(), options{}, nothing.url(""), filepath.Join(dir, "nothing")); err == nil {
				t.Error("a place without anything is a folder")
			}
			left(t, dir, "all", "one")
		})
	}
}

// left checks that a folder has just these entries, hidden ones too.
func left(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s has %q, want %q, %v", dir, got, want, err)
	}
}

// TestFaultsOfGet: whatever a place does to an object, get names it and writes nothing.
func TestFaultsOfGet(t *testing.T) {
	guest := []byte(strings.Repeat("guest 0", 5000))
	faults := map[string]struct {
		change func(body []byte) []byte // of the guest's file; nil: it is gone
		want   map[string]string
	}{
		"truncated": {func(b []byte) []byte { return b[:len(b)/2] }, map[string]string{"": "is cut: 17500 of 35000 bytes"}},
		"longer":    {func(b []byte) []byte { return append(slices.Clone(b), 'x') }, map[string]string{"": "is not what was put", "oci": "run1-guest001-1.json.gz"}},
		"wrong sum": {func(b []byte) []byte { b = slices.Clone(b); b[9] ^= 1; return b }, map[string]string{"": "is not what was put: its SHA-256 is"}},
		"missing":   {nil, map[string]string{"": "run1-guest001-1.json.gz"}},
	}
	for _, scheme := range schemes {
		for name, tt := range faults {
			t.Run(scheme+"/"+name, func(t *testing.T) {
				s, dir := newServer(t, scheme), t.TempDir()
				from := shard(t, 0)
				if err := put(t.Context(), options{}, from, s.url("0")); err != nil {
					t.Fatal(err)
				}
				if scheme == "file" {
					spoilFile(t, filepath.Join(s.dir, "0", "run1-guest001-1.json.gz"), tt.change)
				} else {
					s.change = func(body []byte, _ string) []byte {
						if tt.change != nil && bytes.Equal(body, guest) {
							return tt.change(body)
						}
						return body
					}
					s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
						blob := strings.Contains(r.URL.Path, "run1-guest001") || strings.HasSuffix(r.URL.Path, sumOf(guest))
						if tt.change != nil || !blob {
							return false
						}
						w.WriteHeader(http.StatusNotFound)
						return true
					}
				}
				err := get(t.Context(), options{}, s.url("0"), filepath.Join(dir, "got"))
				want := tt.want[""]
				if w := tt.want[scheme]; w != "" {
					want = w
				}
				if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "get "+scheme+"://") {
					t.Errorf("got %v, want %q", err, want)
				}
				left(t, dir)
			})
		}
	}
}

func sumOf(raw []byte) string {
	dir, err := os.MkdirTemp("", "kxlab-store-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.WriteFile(filepath.Join(dir, "f"), raw, 0o644)
	f, err := readFolder(dir)
	if err != nil {
		panic(err)
	}
	return f.Files[0].Sum
}

func spoilFile(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err == nil && change == nil {
		err = os.Remove(path)
	} else if err == nil {
		err = os.WriteFile(path, change(raw), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestFaultsOfPut: a put that fails in the middle leaves no folder, but one that says so, and is done by running it again.
func TestFaultsOfPut(t *testing.T) {
	for _, scheme := range []string{"s3", "oci"} {
		for after := range 6 {
			t.Run(fmt.Sprint(scheme, "/", after), func(t *testing.T) {
				s, dir := newServer(t, scheme), t.TempDir()
				from := shard(t, 0)
				writes := 0
				s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Method == http.MethodPut {
						writes++
					}
					if r.Method != http.MethodPut || writes <= after {
						return false
					}
					w.WriteHeader(http.StatusForbidden)
					return true
				}
				if err := put(t.Context(), options{}, from, s.url("0")); err == nil || !strings.Contains(err.Error(), "put "+from) {
					t.Fatalf("a put that failed: %v", err)
				}
				s.intercept = nil
				if err := get(t.Context(), options{}, s.url("0"), filepath.Join(dir, "half")); err == nil {
					t.Error("half a folder is one")
				} else if scheme == "s3" && after > 0 && !strings.Contains(err.Error(), "it is still being put, or that failed: put it again") {
					t.Errorf("half a folder: %v", err)
				}
				if err := put(t.Context(), options{}, from, s.url("0")); err != nil {
					t.Fatal(err)
				}
				if err := get(t.Context(), options{}, s.url("0"), filepath.Join(dir, "got")); err != nil {
					t.Fatal(err)
				}
				same(t, filepath.Join(dir, "got"), from)
				left(t, dir, "got")
			})
		}
	}
}

// TestOrder: the header of a shard goes last.
func TestOrder(t *testing.T) {
	f, err := readFolder(shard(t, 0))
	if err != nil || f.Files[len(f.Files)-1].Name != "shard.json" || len(f.Files) != 4 {
		t.Errorf("%v, %v", f.Files, err)
	}
}

// TestBadLists: a list that this program did not write is refused.
func TestBadLists(t *testing.T) {
	for text, want := range map[string]string{
		`{"tool": "kxlab-store", "schema": 1, "files": [{"name": "../x"}]}`: "leads out of the folder",
		`{"tool": "kxlab-store", "schema": 1, "files": [{"name": "/x"}]}`:   "leads out of the folder",
		`{"tool": "kxlab-store", "schema": 2}`:                              "version 2; this program reads version 1",
		`{"tool": "kxlab-store", "schema`:                                   "is damaged",
		`{"tool": "kxlab-store", "schema": 1, "more": 1}`:                   "is damaged",
	} {
		if _, err := decodeList([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// TestWords: wrong usage exits with 2, and what is not there with 1.
func TestWords(t *testing.T) {
	empty := t.TempDir()
	for _, tt := range []struct {
		args []string
		code int
	}{
		{nil, 2}, {[]string{"put", "a"}, 2}, {[]string{"copy", "a", "b"}, 2}, {[]string{"--help"}, 0}, {[]string{"--wrong"}, 2},
		{[]string{"put", shard(t, 0), "ftp://a/b"}, 2}, {[]string{"put", shard(t, 0), "file:x"}, 2}, {[]string{"put", shard(t, 0), "s3:///x"}, 2},
		{[]string{"put", shard(t, 0), "oci://r/run"}, 2}, {[]string{"put", shard(t, 0), "oci://r"}, 2}, {[]string{"put", shard(t, 0), "oci://r/run:1?x=y"}, 2},
		{[]string{"put", empty, "file://" + empty + "/a"}, 1}, {[]string{"put", empty + "/none", "file://" + empty + "/a"}, 1},
		{[]string{"get", "file://" + empty + "/none", empty + "/x"}, 1},
		{[]string{"put", shard(t, 0), "file://" + t.TempDir() + "/a"}, 0},
		{[]string{"list"}, 2}, {[]string{"list", "s3://b/x", "y"}, 2}, {[]string{"list", "ftp://a/b"}, 2}, {[]string{"list", "file://" + empty}, 1},
	} {
		if code := run(t.Context(), tt.args); code != tt.code {
			t.Errorf("%q: exit code %d, want %d", tt.args, code, tt.code)
		}
	}
}
