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
	"regexp"
	"slices"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
)

// A bucket is a prefix of an object store, or a folder of a file system.
type bucket struct {
	url     string // of gocloud.dev/blob
	prefix  string // "" or with a slash at its end
	new     string // a folder that put makes
	network *network
}

func newBucket(u *url.URL, n *network) (place, error) {
	q := u.Query()
	b := bucket{network: n}
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
	u, err := url.Parse(b.url)
	if err != nil {
		return nil, err
	}
	open := b.openS3
	if u.Scheme == "file" {
		open = (&fileblob.URLOpener{}).OpenBucketURL
	}
	store, err := open(ctx, u)
	if err != nil {
		return nil, err
	}
	if b.prefix != "" {
		store = blob.PrefixedBucket(store, b.prefix)
	}
	return store, nil
}

// openS3 opens a bucket with connections of the network.
func (b bucket) openS3(ctx context.Context, u *url.URL) (*blob.Bucket, error) {
	var opener s3blob.URLOpener
	parsed, err := opener.OpenBucketURL(ctx, u)
	if err != nil {
		return nil, err
	}
	defer parsed.Close()
	var client *s3.Client
	if !parsed.As(&client) {
		return nil, errors.New("the bucket is not one of S3")
	}
	client = s3.New(client.Options(), func(o *s3.Options) { o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(b.network.use) })
	return s3blob.OpenBucket(ctx, client, u.Host, &opener.Options)
}

func (b bucket) put(ctx context.Context, from folder, replace bool) error {
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
	stale, err := survey(ctx, store, from, replace)
	if err != nil {
		return err
	}
	for _, key := range stale {
		if err := remove(ctx, store, key); err != nil {
			return err
		}
	}
	raw, err := from.encode()
	if err != nil {
		return err
	}
	if err := store.WriteAll(ctx, partFile, raw, nil); err != nil {
		return err
	}
	// An older list would name files that are replaced one by one.
	if err := remove(ctx, store, listFile); err != nil {
		return err
	}
	for _, f := range from.Files {
		if err := upload(ctx, store, from.dir, f); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if err := store.WriteAll(ctx, listFile, raw, nil); err != nil {
		return err
	}
	return remove(ctx, store, partFile)
}

// remove deletes an object, which need not be there.
func remove(ctx context.Context, store *blob.Bucket, key string) error {
	if err := store.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return err
	}
	return nil
}

// tempRE ends the names of files that fileblob had not written to their end when it was killed.
var tempRE = regexp.MustCompile(`\.[0-9a-f]{16}\.tmp$`)

// survey returns the objects of earlier puts that a folder has not. Another folder is an error unless it shall be replaced, and so is an object that
// no list names.
func survey(ctx context.Context, store *blob.Bucket, from folder, replace bool) (stale []string, err error) {
	whole, err := readList(ctx, store, listFile)
	if err != nil {
		return nil, err
	}
	part, err := readList(ctx, store, partFile)
	if err != nil {
		return nil, err
	}
	if whole.Tool != "" {
		if err := checkOther(whole.Files, from, replace); err != nil {
			return nil, err
		}
	}
	stays, known := map[string]bool{listFile: true, partFile: true}, map[string]bool{listFile: true, partFile: true}
	for _, f := range from.Files {
		stays[f.Name] = true
	}
	for _, f := range append(whole.Files, part.Files...) {
		known[f.Name] = true
	}
	for it := store.List(nil); ; {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return stale, nil
		}
		if err != nil {
			return nil, err
		}
		if !known[tempRE.ReplaceAllString(o.Key, "")] {
			return nil, fmt.Errorf("the place has %s, which %s did not put there: name a new place", o.Key, tool)
		}
		if !stays[o.Key] {
			stale = append(stale, o.Key)
		}
	}
}

// readList reads a list; one that is not there is zero.
func readList(ctx context.Context, store *blob.Bucket, key string) (l list, err error) {
	raw, err := store.ReadAll(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	return decodeList(raw)
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
	lists, others, err := objects(ctx, store)
	if err != nil {
		return err
	}
	for _, key := range others {
		if !isBelow(key, lists) {
			dir := strings.TrimPrefix(path.Dir(key)+" ", ". ")
			return fmt.Errorf("%shas no %s: it is still being put, or that failed: put it again", dir, listFile)
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

func (b bucket) folders(ctx context.Context) ([]string, error) {
	store, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	begun, others, err := objects(ctx, store)
	names := slices.Clone(begun)
	for _, key := range others {
		names = append(names, path.Dir(key))
		if path.Base(key) == partFile {
			begun = append(begun, path.Dir(key))
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return isBelow(name, begun) }), err
}

// objects returns the folders of a store that have a list, "." for its top, and the keys of all objects but lists. A store without any is an error.
func objects(ctx context.Context, store *blob.Bucket) (lists, others []string, err error) {
	for it := store.List(nil); ; {
		o, err := it.Next(ctx)
		switch {
		case errors.Is(err, io.EOF) && len(lists)+len(others) == 0:
			return nil, nil, errors.New("there is nothing")
		case errors.Is(err, io.EOF):
			return lists, others, nil
		case err != nil:
			return nil, nil, err
		case path.Base(o.Key) == listFile:
			lists = append(lists, path.Dir(o.Key))
		default:
			others = append(others, o.Key)
		}
	}
}

// isBelow reports whether an object or folder is in one of the folders, and is not it.
func isBelow(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(dir string) bool { return dir == "." && name != "." || strings.HasPrefix(name, dir+"/") })
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
