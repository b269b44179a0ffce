// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// storeTool copies folders to object storage and back. It is a program of its own (deploy/store), because guests carry this one.
const storeTool = "kxlab-store"

var remoteRE = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://`)

// isRemote reports whether a word names a place that storeTool reaches, such as s3://BUCKET/PREFIX.
func isRemote(word string) bool { return remoteRE.MatchString(word) }

// store runs storeTool: "put", a folder, a place; or "get", a place, a folder.
func store(ctx context.Context, s streams, args ...string) error {
	path, err := sys.LookTool(storeTool)
	if err != nil {
		return fmt.Errorf("%s %s: %w: `make store` in kxlab's sources builds it; have it on PATH", args[0], args[1], err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = s.err, s.err
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s %s %s: %w", storeTool, args[0], args[1], args[2], err)
	}
	return nil
}

// fetched replaces words that are places by folders with their content. Remove them with done.
func fetched(ctx context.Context, s streams, words []string) (dirs []string, done func(), err error) {
	tmp := ""
	done = func() { os.RemoveAll(tmp) }
	for i, word := range words {
		dir := word
		if isRemote(word) {
			if tmp == "" {
				if tmp, err = owner.TempDir("merge"); err != nil {
					return nil, done, err
				}
			}
			dir = filepath.Join(tmp, fmt.Sprint(i+1))
			if err := store(ctx, s, "get", word, dir); err != nil {
				return nil, done, err
			}
		}
		dirs = append(dirs, dir)
	}
	return dirs, done, nil
}
