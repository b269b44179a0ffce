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

// store runs storeTool: "put", a folder, a place; or "get", a place, a folder.
func store(ctx context.Context, s streams, args ...string) error {
	path, err := lookStore()
	if err != nil {
		return fmt.Errorf("%s %s: %w", args[0], args[1], err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = s.err, s.err
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s %s %s: %w", storeTool, args[0], args[1], args[2], err)
	}
	return nil
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

// placeBelow is the place of a folder below a place: /sub of s3://BUCKET/run?region=R is s3://BUCKET/run/sub?region=R, of a registry the tag sub.
func placeBelow(place, sub string) string {
	base, query, parameters := strings.Cut(place, "?")
	if sub = strings.Trim(sub, "/"); sub == "" {
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
	if partial {
		words = singly(words)
	}
	for _, word := range words {
		if !isRemote(word) {
			dirs = append(dirs, word)
			continue
		}
		if f.tmp == "" {
			if f.tmp, err = owner.TempDir("merge"); err != nil {
				return nil, f, err
			}
		}
		f.places = append(f.places, word)
		dir := f.dir(len(f.places) - 1)
		switch err := store(ctx, s, "get", word, dir); {
		case err == nil:
			dirs = append(dirs, dir)
		case partial && ctx.Err() == nil && !errors.Is(err, harness.ErrNotSupported):
			f.faults = append(f.faults, fmt.Errorf("%s is left out: %s cannot get it", word, storeTool))
		case !partial:
			return nil, f, fmt.Errorf("%w; --allow-partial leaves it out, if each shard's place is named", f.rename(err))
		default:
			return nil, f, err
		}
	}
	return dirs, f, nil
}

// singly replaces the URL of a folder that holds shards by those of the shards, so that one can be left out.
func singly(words []string) (out []string) {
	for _, word := range words {
		inside, err := filepath.Glob(strings.TrimPrefix(word, "file://") + "/*/plan.json")
		if !strings.HasPrefix(word, "file:///") || err != nil || len(inside) == 0 {
			out = append(out, word)
			continue
		}
		out = append(out, harness.Map(inside, func(path string) string { return "file://" + filepath.Dir(path) })...)
	}
	return out
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
