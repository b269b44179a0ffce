// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
)

// A bucket is a prefix of an object store, or a folder of a file system.
type bucket struct {
	url    string // of gocloud.dev/blob
	prefix string // "" or with a slash at its end
	new    string // a folder that put makes
}

func newBucket(u *url.URL) (place, error) {
	q := u.Query()
	b := bucket{}
	if u.Scheme == "file" {
		if u.Host != "" || u.Path == "" || len(q) > 0 {
			return nil, &usageError{fmt.Errorf("%s: want file:///FOLDER", u)}
		}
		b.url = (&url.URL{Scheme: "file", Path: u.Path, RawQuery: "metadata=skip&no_tmp_dir=true"}).String()
		b.new = u.Path
		return b, nil
	}
	if u.Host == "" {
		return nil, &usageError{fmt.Errorf("%s: want s3://BUCKET/PREFIX", u.Redacted())}
	}
	b.url = (&url.URL{Scheme: u.Scheme, Host: u.Host, RawQuery: u.RawQuery}).String()
	if p := strings.Trim(u.Path, "/"); p != "" {
		b.prefix = p + "/"
	}
	return b, nil
}

func (b bucket) open(ctx context.Context) (*blob.Bucket, error) {
	store, err := blob.OpenBucket(ctx, b.url)
	if err != nil {
		return nil, err
	}
	if b.prefix != "" {
		store = blob.PrefixedBucket(store, b.prefix)
	}
	return store, nil
}

func (b bucket) put(ctx context.Context, from folder) error {
	if b.new != "" {
		if err := os.MkdirAll(b.new, 0o755); err != nil {
			return err
		}
	}
	store, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	// An older list would name files that are replaced one by one.
	if err := store.Delete(ctx, listFile); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	for _, f := range from.Files {
		if err := upload(ctx, store, from.dir, f); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	raw, err := from.encode()
	if err != nil {
		return err
	}
	return store.WriteAll(ctx, listFile, raw, nil)
}

// upload copies a file; a writer whose context ends before Close keeps nothing.
func upload(ctx context.Context, store *blob.Bucket, dir string, f file) error {
	in, err := os.Open(filepath.Join(dir, f.Name))
	if err != nil {
		return err
	}
	defer in.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := store.NewWriter(ctx, f.Name, nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, in)
	if err == nil && n != f.Size {
		err = errors.New("the file changed while it was read")
	}
	if err != nil {
		cancel()
		w.Close()
		return err
	}
	return w.Close()
}

func (b bucket) get(ctx context.Context, into string) error {
	store, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	var lists, others []string // folders, "." is the top
	for it := store.List(nil); ; {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if path.Base(o.Key) == listFile {
			lists = append(lists, path.Dir(o.Key))
		} else {
			others = append(others, o.Key)
		}
	}
	if len(lists)+len(others) == 0 {
		return errors.New("there is nothing")
	}
	for _, key := range others {
		if !slices.ContainsFunc(lists, func(dir string) bool { return dir == "." || strings.HasPrefix(key, dir+"/") }) {
			return fmt.Errorf("%s has no %s: it is still being put, or that failed: put it again", path.Dir(key), listFile)
		}
	}
	for _, dir := range lists {
		if err := download(ctx, store, dir, filepath.Join(into, dir)); err != nil && dir != "." {
			return fmt.Errorf("%s: %w", dir, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// download copies a folder of the store that has a list.
func download(ctx context.Context, store *blob.Bucket, dir, into string) error {
	raw, err := store.ReadAll(ctx, path.Join(dir, listFile))
	if err != nil {
		return err
	}
	l, err := decodeList(raw)
	if err != nil {
		return err
	}
	for _, f := range l.Files {
		r, err := store.NewReader(ctx, path.Join(dir, f.Name), nil)
		if gcerrors.Code(err) == gcerrors.NotFound {
			return fmt.Errorf("%s is missing", f.Name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		err = f.write(into, r)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
