// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A Commit is one of the git repository of a folder.
type Commit struct {
	Hash, Subject string
	Parents       []string
	Time          time.Time // of the commit, not of its author
}

// CommitOf resolves a revision in the repository of a folder.
func CommitOf(ctx context.Context, dir, revision string) (Commit, error) {
	if strings.HasPrefix(revision, "-") {
		return Commit{}, fmt.Errorf("revision %q begins with a hyphen", revision)
	}
	out, err := git(ctx, dir, "show", "--no-patch", "--format=%H%x00%P%x00%cI%x00%s", revision+"^{commit}", "--")
	if err != nil {
		return Commit{}, fmt.Errorf("find revision %q: %w", revision, err)
	}
	c, err := parse(strings.Split(out, "\x00"))
	return c, harness.Wrap(err, "find revision %q", revision)
}

var (
	// ErrNoRepository says that a folder is in no git repository.
	ErrNoRepository = errors.New("no git repository")
	// ErrUnreadable says that git does not read the repository of a folder, or that there is no git: the repository may be another user's.
	ErrUnreadable = errors.New("git does not read the repository")
)

// checkRepository returns an error unless git reads the repository of a folder. A refusal of git's, such as that the repository is another user's, is
// told from a folder without a repository by the .git of the folder or of one above.
func checkRepository(ctx context.Context, dir string) error {
	_, err := git(ctx, dir, "rev-parse", "--git-dir")
	if err == nil {
		return nil
	}
	at, absErr := filepath.Abs(dir)
	if absErr != nil {
		return fmt.Errorf("%w here: %w", ErrUnreadable, absErr)
	}
	for {
		if _, missing := os.Lstat(filepath.Join(at, ".git")); missing == nil || os.Getenv("GIT_DIR") != "" {
			return fmt.Errorf("%w here: %w", ErrUnreadable, err)
		}
		above := filepath.Dir(at)
		if above == at {
			return fmt.Errorf("%w here (%w)", ErrNoRepository, err)
		}
		at = above
	}
}

// Shallow reports whether the repository of a folder is a clone without its older commits.
func Shallow(ctx context.Context, dir string) (bool, error) {
	out, err := git(ctx, dir, "rev-parse", "--is-shallow-repository")
	return out == "true", harness.Wrap(err, "look for older commits")
}

// LineOf lists the commits up to a revision in the repository of a folder, the oldest first, of a merge the first side only. Errors wrap
// ErrNoRepository or ErrUnreadable unless the revision is at fault.
func LineOf(ctx context.Context, dir, revision string) ([]string, error) {
	if err := checkRepository(ctx, dir); err != nil {
		return nil, err
	}
	if strings.HasPrefix(revision, "-") {
		return nil, fmt.Errorf("revision %q begins with a hyphen", revision)
	}
	out, err := git(ctx, dir, "rev-list", "--first-parent", "--reverse", revision+"^{commit}", "--")
	if err != nil {
		return nil, fmt.Errorf("list commits up to %q: %w", revision, err)
	}
	return strings.Fields(out), nil
}

// Between lists the commits from one revision to a later one, both of them and first sides of merges only, the oldest first.
func Between(ctx context.Context, dir, from, to string) ([]Commit, error) {
	first, err := CommitOf(ctx, dir, from)
	if err != nil {
		return nil, err
	}
	if _, err := CommitOf(ctx, dir, to); err != nil {
		return nil, err
	}
	line, err := LineOf(ctx, dir, to)
	if err != nil {
		return nil, err
	}
	at := slices.Index(line, first.Hash)
	switch {
	case at < 0 && ancestor(ctx, dir, to, from):
		return nil, fmt.Errorf("%s is not before %s but behind it: swap them", from, to)
	case at < 0:
		return nil, fmt.Errorf("%s is not before %s on its line of first parents", from, to)
	case at == len(line)-1:
		return nil, fmt.Errorf("%s and %s are the same commit", from, to)
	}
	out, err := git(ctx, dir, append([]string{"show", "--no-patch", "--format=%H%x00%P%x00%cI%x00%s"}, line[at:]...)...)
	if err != nil {
		return nil, fmt.Errorf("read commits: %w", err)
	}
	var all []Commit
	for _, l := range strings.Split(out, "\n") {
		c, err := parse(strings.Split(l, "\x00"))
		if err != nil {
			return nil, fmt.Errorf("read commits: %w", err)
		}
		all = append(all, c)
	}
	return all, nil
}

// ancestor reports whether one revision is among the ancestors of another.
func ancestor(ctx context.Context, dir, old, new string) bool {
	_, err := git(ctx, dir, "merge-base", "--is-ancestor", old, new)
	return err == nil
}

// parse reads a commit's hash, parents, time and subject.
func parse(fields []string) (c Commit, err error) {
	if len(fields) != 4 {
		return c, fmt.Errorf("git wrote %q", fields)
	}
	c.Hash, c.Parents, c.Subject = fields[0], strings.Fields(fields[1]), fields[3]
	c.Time, err = time.Parse(time.RFC3339, fields[2])
	return c, err
}

// Has reports whether the repository that dir is in has a commit, by its full hash. It is an error that wraps ErrNoRepository if dir is in none, or ErrUnreadable.
// A repository with a part of its history has what it has.
func Has(ctx context.Context, dir, hash string) (bool, error) {
	if err := checkRepository(ctx, dir); err != nil {
		return false, fmt.Errorf("find commit: %w", err)
	}
	if strings.HasPrefix(hash, "-") {
		return false, nil
	}
	_, err := git(ctx, dir, "cat-file", "-e", hash+"^{commit}")
	return err == nil, nil
}
