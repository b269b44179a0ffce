// SPDX-License-Identifier: Apache-2.0

package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
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
	out, err := git(ctx, dir, "show", "--no-patch", "--format=%H%n%P%n%cI%n%s", revision+"^{commit}", "--")
	if err != nil {
		return Commit{}, fmt.Errorf("find revision %q: %w", revision, err)
	}
	lines := strings.SplitN(out, "\n", 4)
	if len(lines) < 3 {
		return Commit{}, fmt.Errorf("find revision %q: git wrote %q", revision, out)
	}
	c := Commit{Hash: lines[0], Parents: strings.Fields(lines[1])}
	if c.Time, err = time.Parse(time.RFC3339, lines[2]); err != nil {
		return Commit{}, fmt.Errorf("find revision %q: %w", revision, err)
	}
	if len(lines) == 4 {
		c.Subject = lines[3]
	}
	return c, nil
}

// ErrNoRepository says that a folder is in no git repository, or that there is no git.
var ErrNoRepository = errors.New("no git repository")

// LineOf lists the commits up to a revision in the repository of a folder, the oldest first, of a merge the first side only.
func LineOf(ctx context.Context, dir, revision string) ([]string, error) {
	if _, err := git(ctx, dir, "rev-parse", "--git-dir"); err != nil {
		return nil, fmt.Errorf("%w here (%w)", ErrNoRepository, err)
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
