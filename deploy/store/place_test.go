// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"oras.land/oras-go/v2"
)

// write makes a file, and its folders.
func write(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPutLeavesOthersAlone: put changes nothing where another folder is, or anything that it did not put; replace is for folders alone.
func TestPutLeavesOthersAlone(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) {
			s, dir := newServer(t, scheme), t.TempDir()
			old, other := shard(t, 0), shard(t, 1)
			write(t, filepath.Join(old, "run1-guest002-1.json.gz"), "of the first alone")
			if err := put(t.Context(), options{}, old, s.url("0")); err != nil {
				t.Fatal(err)
			}
			if err := put(t.Context(), options{}, other, s.url("0")); err == nil || !strings.Contains(err.Error(), "has another folder: name a new place, or replace") {
				t.Errorf("another folder's place: %v", err)
			}
			if err := get(t.Context(), options{}, s.url("0"), filepath.Join(dir, "old")); err != nil {
				t.Fatal(err)
			}
			same(t, filepath.Join(dir, "old"), old)
			if err := put(t.Context(), options{replace: true}, other, s.url("0")); err != nil {
				t.Fatal(err)
			}
			if err := get(t.Context(), options{}, s.url("0"), filepath.Join(dir, "new")); err != nil {
				t.Fatal(err)
			}
			same(t, filepath.Join(dir, "new"), other)
			if scheme == "file" {
				left(t, filepath.Join(s.dir, "0"), listFile, "more", "plan.json", "run1-guest001-1.json.gz", "shard.json")
			}
		})
	}
}

// TestStrangers: a folder with files of a user, or above other places, is no place, and nor is an image's tag.
func TestStrangers(t *testing.T) {
	s, from := newServer(t, "file"), shard(t, 0)
	if err := put(t.Context(), options{}, from, s.url("all/0")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "home", "plan.json"), "a user's")
	write(t, filepath.Join(s.dir, "all", "1", "notes.txt"), "a user's")
	for folder, want := range map[string]string{"home": "has plan.json, which", "all": "has 0/", "all/1": "has notes.txt"} {
		if err := put(t.Context(), options{replace: true}, from, s.url(folder)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", folder, err, want)
		}
	}
	left(t, filepath.Join(s.dir, "home"), "plan.json")
	left(t, filepath.Join(s.dir, "all"), "0", "1")
	write(t, filepath.Join(s.dir, "all", "0", "notes.txt"), "a user's")
	if err := put(t.Context(), options{}, from, s.url("all/0")); err == nil || !strings.Contains(err.Error(), "has notes.txt") {
		t.Errorf("a folder with a file of a user's: %v", err)
	}

	r := newServer(t, "oci")
	p, err := open(r.url("image"), &network{silence, time.NewTimer(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	repo := p.(registryPlace).repo
	m, err := oras.PackManifest(t.Context(), repo, oras.PackManifestVersion1_1, "application/x.image", oras.PackManifestOptions{})
	if err == nil {
		err = repo.Tag(t.Context(), m, "image")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), options{replace: true}, from, r.url("image")); err == nil || !strings.Contains(err.Error(), "is no folder of kxlab-store") {
		t.Errorf("an image's tag: %v", err)
	}
}

// TestKilledPut: what a put left that was killed is removed by the next, also one of another folder.
func TestKilledPut(t *testing.T) {
	s, dir := newServer(t, "file"), t.TempDir()
	raw, err := folder{list: list{tool, schema, []file{{"plan.json", 1, "a"}, {"run9-guest001-1.json.gz", 1, "b"}}}}.encode()
	if err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(s.dir, "0")
	for name, text := range map[string]string{
		partFile: string(raw), "plan.json": "x", "run9-guest001-1.json.gz": "y", "run9-guest001-1.json.gz.18a5b0c1d2e3f405.tmp": "half",
		listFile + ".18a5b0c1d2e3f405.tmp": "half",
	} {
		write(t, filepath.Join(place, name), text)
	}
	from := shard(t, 0)
	if err := put(t.Context(), options{}, from, s.url("0")); err != nil {
		t.Fatal(err)
	}
	left(t, place, listFile, "more", "plan.json", "run1-guest001-1.json.gz", "shard.json")
	if err := get(t.Context(), options{}, s.url("0"), filepath.Join(dir, "got")); err != nil {
		t.Fatal(err)
	}
	same(t, filepath.Join(dir, "got"), from)
}

// TestKilledGet: a copy that a get left that was killed is removed by the next in its directory; that of one that runs is not.
func TestKilledGet(t *testing.T) {
	s, dir := newServer(t, "file"), t.TempDir()
	if err := put(t.Context(), options{}, shard(t, 0), s.url("0")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, copyPrefix+"dead", "0", "plan.json"), "half")
	write(t, filepath.Join(dir, copyPrefix+"live", "0", "plan.json"), "half")
	live, err := os.Open(filepath.Join(dir, copyPrefix+"live"))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if err := syscall.Flock(int(live.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := get(t.Context(), options{}, s.url("0"), filepath.Join(dir, "got")); err != nil {
		t.Fatal(err)
	}
	left(t, dir, copyPrefix+"live", "got")
	err = intoNew(filepath.Join(dir, "other"), func(tmp string) error {
		if err := get(t.Context(), options{}, s.url("0"), filepath.Join(dir, "third")); err != nil {
			return err
		}
		_, err := os.Stat(tmp)
		return err
	})
	if err != nil {
		t.Errorf("a get beside another: %v", err)
	}
}

// TestSilentServer: a server that takes a connection and never answers is an error after a time.
func TestSilentServer(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().String()
	from, o := shard(t, 0), options{silence: 200 * time.Millisecond}
	for _, place := range []string{"s3://bucket/run?region=x&use_path_style=true&endpoint=" + url.QueryEscape("http://"+at), "oci://" + at + "/lab/run:1?plain_http=true"} {
		began := time.Now()
		for what, err := range map[string]error{"put": put(t.Context(), o, from, place), "get": get(t.Context(), o, place, filepath.Join(t.TempDir(), "got"))} {
			if err == nil || !strings.Contains(err.Error(), "the server did not answer for 200ms") {
				t.Errorf("%s %s: %v", what, place, err)
			}
		}
		if d := time.Since(began); d > 30*time.Second {
			t.Errorf("%s took %s", place, d)
		}
	}
}

// TestSlowServer: a server that is slow, but goes on, is waited for.
func TestSlowServer(t *testing.T) {
	for _, scheme := range []string{"s3", "oci"} {
		s, dir := newServer(t, scheme), t.TempDir()
		from := shard(t, 0)
		if err := put(t.Context(), options{}, from, s.url("0")); err != nil {
			t.Fatal(err)
		}
		s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
			for range 3 {
				time.Sleep(100 * time.Millisecond)
				w.WriteHeader(http.StatusEarlyHints)
			}
			return false
		}
		began := time.Now()
		o := options{silence: time.Second}
		if err := get(t.Context(), o, s.url("0"), filepath.Join(dir, "got")); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d < o.silence {
			t.Errorf("get of %s took %s, which proves nothing", scheme, d)
		}
		same(t, filepath.Join(dir, "got"), from)
	}
}

// TestParse: options stand before or behind the first word, and are those of put.
func TestParse(t *testing.T) {
	for text, want := range map[string]bool{"put --replace a b": true, "--replace put a b": true, "put a b": false, "get a b": false} {
		if o, words, err := parse(strings.Fields(text)); err != nil || o.replace != want || fmt.Sprint(words[1:]) != "[a b]" {
			t.Errorf("%s: %v %q, %v", text, o, words, err)
		}
	}
	for _, text := range []string{"get --replace a b", "list --replace a", "put a --replace b", "put --other a b"} {
		if _, _, err := parse(strings.Fields(text)); err == nil || !strings.Contains(err.Error(), "see kxlab-store --help") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestLogin: a registry with a login takes what the config.json of DOCKER_CONFIG says.
func TestLogin(t *testing.T) {
	s, from := newServer(t, "oci"), shard(t, 0)
	s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user == "lab" && password == "secret" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="lab"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	if err := put(t.Context(), options{}, from, s.url("0")); err == nil {
		t.Error("a put without a login")
	}
	u, err := url.Parse(s.url("0"))
	if err != nil {
		t.Fatal(err)
	}
	auth := base64.StdEncoding.EncodeToString([]byte("lab:secret"))
	write(t, filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, u.Host, auth))
	if err := put(t.Context(), options{}, from, s.url("0")); err != nil {
		t.Error(err)
	}
}
