// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestHas: a commit that is in the repository, one that is not, what is no hash, and a folder in no repository.
func TestHas(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{"init", "-q"}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "first"}} {
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
	}
	head, err := git(context.Background(), dir, "rev-parse", "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	for hash, want := range map[string]bool{head: true, strings.Repeat("1", 40): false, "": false, "--help": false} {
		if has, err := Has(context.Background(), dir, hash); has != want || err != nil {
			t.Errorf("%q: %v, %v", hash, has, err)
		}
	}
	if _, err := Has(context.Background(), t.TempDir(), head); !errors.Is(err, ErrNoRepository) {
		t.Errorf("in no repository: %v", err)
	}
}

// TestUnreadable: a repository that git refuses, or without a git, is not taken for a folder without one.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("git", "-C", dir, "init", "-q").CombinedOutput(); err != nil {
		t.Skip(err, string(out))
	}
	inside := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	for what, set := range map[string][2]string{"another user's": {"GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"}, "no git": {"PATH", ""}} {
		t.Run(what, func(t *testing.T) {
			t.Setenv(set[0], set[1])
			if _, err := LineOf(context.Background(), inside, "HEAD"); !errors.Is(err, ErrUnreadable) {
				t.Errorf("in a repository: %v", err)
			}
			if _, err := LineOf(context.Background(), t.TempDir(), "HEAD"); !errors.Is(err, ErrNoRepository) {
				t.Errorf("in none: %v", err)
			}
		})
	}
	if shallow, err := Shallow(context.Background(), dir); shallow || err != nil {
		t.Errorf("shallow %v, %v", shallow, err)
	}
}
