// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/source"
)

// settle is how long the files must have been left alone before they are read: editors and compilers write in several steps.
const settle = 200 * time.Millisecond

// watch answers whether B is better than A, and again whenever one of their files is saved, until ctx is done.
func watch(ctx context.Context, s streams, words experiments.Vocabulary, f abFlags, args []string) error {
	if f.gate || f.out != "" || f.format != "text" {
		return usage(errors.New("--watch: not with --gate, --format or --out: it keeps no run and ends with Ctrl-C"))
	}
	files, err := watchFiles(f, args...)
	if err != nil {
		return err
	}
	defer files.Close()
	for first := true; ; first = false {
		if err := watchOnce(ctx, s, words, f, args, first); err != nil || ctx.Err() != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := awaitSave(ctx, files); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// watchFiles watches the folders of the sources, headers and objects of A and B: an editor may put a new file in the place of an old one.
func watchFiles(f abFlags, words ...string) (*fsnotify.Watcher, error) {
	var folders []string
	for _, word := range words {
		path, err := inFolders(f.with, word)
		if err != nil {
			return nil, err
		}
		path, _, _ = cutKnobs(path)
		if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() || !source.Is(path) {
			continue
		}
		more, err := source.Folders(path)
		if err != nil {
			return nil, err
		}
		folders = append(folders, more...)
	}
	if len(folders) == 0 {
		return nil, usage(fmt.Errorf("--watch: neither %s is a source or an object in a folder", strings.Join(words, " nor ")))
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	for _, dir := range folders {
		if err := w.Add(dir); err != nil {
			return nil, errors.Join(fmt.Errorf("watch %s: %w", dir, err), w.Close())
		}
	}
	return w, nil
}

// watchOnce answers once, in a line. A failure is noted; only wrong usage at the first try is an error.
func watchOnce(ctx context.Context, s streams, words experiments.Vocabulary, f abFlags, args []string, first bool) error {
	dir, err := owner.TempDir("watch")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f.out = filepath.Join(dir, "run")
	var out bytes.Buffer
	quiet := streams{out: &out, err: io.Discard}
	if s.columns > 0 { // a live line, which the next replaces
		quiet.err, quiet.columns = s.err, s.columns
	}
	began := time.Now()
	err = ab(ctx, quiet, words, f, args)
	if ctx.Err() != nil {
		return nil
	}
	sentences, _, _ := strings.Cut(out.String(), "\n\n") // one, or one a kernel
	if answer := strings.TrimSpace(strings.ReplaceAll(sentences, "\n", " ")); answer != "" {
		if _, err := fmt.Fprintf(s.out, "%s  %s (%.1f s)\n", began.Format(time.TimeOnly), answer, time.Since(began).Seconds()); err != nil {
			return err
		}
	}
	var e *exitError
	if first && errors.As(err, &e) && e.code == codeUsage {
		return err
	}
	if err != nil {
		s.note("%v\nkxlab: waiting for a file to be saved", err)
	}
	return nil
}

// awaitSave returns when a source, a header or an object has been saved, or ctx is done.
func awaitSave(ctx context.Context, w *fsnotify.Watcher) error {
	var quiet <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-quiet:
			return nil
		case err := <-w.Errors:
			return fmt.Errorf("watch files: %w", err)
		case e := <-w.Events:
			if saved(e) {
				quiet = time.After(settle)
			}
		}
	}
}

// saved reports whether an event gives a source, a header or an object a new content.
func saved(e fsnotify.Event) bool {
	switch filepath.Ext(e.Name) {
	case ".c", ".h", ".o":
		return !strings.HasPrefix(filepath.Base(e.Name), ".") && (e.Has(fsnotify.Write) || e.Has(fsnotify.Create))
	}
	return false
}
