// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// storeTool copies folders to object storage and back. It is a program of its own (deploy/store), because guests carry this one.
const storeTool = "kxlab-store"

var remoteRE = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://`)

// isRemote reports whether a word names a place that storeTool reaches, such as s3://BUCKET/PREFIX.
func isRemote(word string) bool { return remoteRE.MatchString(word) }

// store runs storeTool: "put", a folder, a place; "get", a place, a folder; or "list", a place, which names the folders there, a line each.
func store(ctx context.Context, s streams, args ...string) (out []byte, err error) {
	path, err := lookStore()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", args[0], args[1], err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = s.err
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if out, err = cmd.Output(); err != nil {
		return nil, fmt.Errorf("%s %s %s: %w", storeTool, args[0], args[1], err)
	}
	return out, nil
}

// checkPlace returns an error for a word that storeTool does not take as the place of one folder, or without the tool. No request is made.
func checkPlace(word string) error {
	u, err := url.Parse(word)
	switch {
	case err != nil:
		return usage(fmt.Errorf("--out %s: %w", word, errors.Unwrap(err)))
	case u.Scheme == "file" && u.Host == "" && u.Path != "", u.Scheme == "s3" && u.Host != "":
	case u.Scheme == "oci" && u.Host != "" && strings.Contains(path.Base(u.Path), ":"):
	default:
		return usage(fmt.Errorf("--out %s: want file:///FOLDER, s3://BUCKET/PREFIX or oci://REGISTRY/REPOSITORY:TAG", word))
	}
	_, err = lookStore()
	return harness.Wrap(err, "--out %s", word)
}

func lookStore() (string, error) {
	path, err := sys.LookTool(storeTool)
	if err != nil {
		err = fmt.Errorf("%w: `make store` in kxlab's sources builds it; have it on PATH", err)
	}
	return path, err
}

// placeBelow is the place of a folder below a place: /sub of s3://BUCKET/run?region=R is s3://BUCKET/run/sub?region=R, of a registry the tag sub;
// "." is the place itself.
func placeBelow(place, sub string) string {
	base, query, parameters := strings.Cut(place, "?")
	if sub = strings.Trim(sub, "/"); sub == "" || sub == "." {
		return place
	}
	slash := "/"
	if strings.HasPrefix(base, "oci:") {
		slash = ":"
	}
	base = strings.TrimSuffix(base, "/") + slash + sub
	if parameters {
		base += "?" + query
	}
	return base
}

// A fetch has copies of places in temporary folders.
type fetch struct {
	tmp    string
	places []string
	faults []error // of places that are left out
}

// fetched replaces words that are places by folders with their content. Remove them with close. A partial fetch leaves out what cannot be had.
func fetched(ctx context.Context, s streams, words []string, partial bool) (dirs []string, f *fetch, err error) {
	f = &fetch{}
	if slices.ContainsFunc(words, isRemote) {
		if f.tmp, err = owner.TempDir("merge"); err != nil {
			return nil, f, err
		}
	}
	for _, word := range words {
		got := []string{word}
		switch {
		case isRemote(word) && partial:
			got, err = f.getEach(ctx, s, word)
		case isRemote(word):
			if got[0], err = f.get(ctx, s, word); err != nil && !errors.Is(err, harness.ErrNotSupported) {
				err = fmt.Errorf("%w; --allow-partial leaves out what cannot be had", err)
			}
		}
		if err != nil {
			return nil, f, err
		}
		dirs = append(dirs, got...)
	}
	return dirs, f, nil
}

// getEach copies the folders of a place to folders, and leaves out those that cannot be had.
func (f *fetch) getEach(ctx context.Context, s streams, place string) (dirs []string, err error) {
	names, err := store(ctx, s, "list", place)
	if err != nil {
		return nil, f.leaveOut(ctx, place, err)
	}
	for name := range strings.Lines(string(names)) {
		one := placeBelow(place, strings.TrimSuffix(name, "\n"))
		dir, err := f.get(ctx, s, one)
		if err == nil {
			dirs = append(dirs, dir)
		} else if err := f.leaveOut(ctx, one, err); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

// get copies a place to a new folder.
func (f *fetch) get(ctx context.Context, s streams, place string) (dir string, err error) {
	f.places = append(f.places, place)
	dir = f.dir(len(f.places) - 1)
	_, err = store(ctx, s, "get", place, dir)
	return dir, err
}

// leaveOut makes the error of a place a fault, unless the tool is missing or was interrupted.
func (f *fetch) leaveOut(ctx context.Context, place string, err error) error {
	if ctx.Err() != nil || errors.Is(err, harness.ErrNotSupported) {
		return err
	}
	f.faults = append(f.faults, fmt.Errorf("%s is left out: %s cannot get it", place, storeTool))
	return nil
}

func (f *fetch) dir(i int) string { return filepath.Join(f.tmp, fmt.Sprint(i+1)) }

// rename has an error name places instead of their copies.
func (f *fetch) rename(err error) error {
	if err == nil || f.tmp == "" {
		return err
	}
	text := err.Error()
	for i, place := range f.places {
		text = regexp.MustCompile(regexp.QuoteMeta(f.dir(i))+`(/[^\s:;,)]*|\b)`).ReplaceAllStringFunc(text, func(found string) string {
			return placeBelow(place, strings.TrimPrefix(found, f.dir(i)))
		})
	}
	if text == err.Error() {
		return err
	}
	return withCode(codeOf(err), errors.New(text))
}

func (f *fetch) close() { os.RemoveAll(f.tmp) }
