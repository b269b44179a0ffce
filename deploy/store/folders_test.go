// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFolders: list names the folders of a place, the damaged, half and foreign ones too, each of which get takes or names by itself.
func TestFolders(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) {
			s := newServer(t, scheme)
			if _, err := folders(t.Context(), options{}, s.url("")); err == nil || !strings.Contains(err.Error(), "list "+scheme+"://") {
				t.Errorf("a place without anything: %v", err)
			}
			for n := range 3 {
				if err := put(t.Context(), options{}, shard(t, n), s.url(fmt.Sprint(n))); err != nil {
					t.Fatal(err)
				}
			}
			want := []string{"0", "1", "2"}
			switch scheme {
			case "s3":
				s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
					fails := strings.HasSuffix(r.URL.Path, "/3/shard.json")
					if fails {
						w.WriteHeader(http.StatusForbidden)
					}
					return fails
				}
				if err := put(t.Context(), options{}, shard(t, 3), s.url("3")); err == nil {
					t.Fatal("a put that fails at its last file")
				}
				s.intercept, want = nil, append(want, "3")
			case "file":
				write(t, filepath.Join(s.dir, "9", "plan.json"), "a user's")
				if err := os.Remove(filepath.Join(s.dir, "1", listFile)); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(s.dir, "notes.txt"), "a user's")
				want = []string{".", "0", "1", "1/more", "2", "9"}
			}
			if got, err := folders(t.Context(), options{}, s.url("")); err != nil || !slices.Equal(got, want) {
				t.Errorf("got %q, want %q, %v", got, want, err)
			}
			if got, err := folders(t.Context(), options{}, s.url("2")); err != nil || !slices.Equal(got, []string{"."}) {
				t.Errorf("a folder's own place: %q, %v", got, err)
			}
			if err := get(t.Context(), options{}, s.url("2"), filepath.Join(t.TempDir(), "got")); err != nil {
				t.Errorf("a whole one beside others: %v", err)
			}
		})
	}
}

// TestNoTags: a repository that has lost its tags has nothing.
func TestNoTags(t *testing.T) {
	s := newServer(t, "oci")
	s.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		_, err := w.Write([]byte(`{"name": "lab/run", "tags": []}`))
		return err == nil
	}
	if _, err := folders(t.Context(), options{}, s.url("")); err == nil || !strings.Contains(err.Error(), "there is nothing") {
		t.Errorf("got %v", err)
	}
}
