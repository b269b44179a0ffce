// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"os/exec"
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
