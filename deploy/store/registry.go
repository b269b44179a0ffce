// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// Media types of a folder in a registry, and of its files.
const (
	folderType = "application/vnd.kxlab.folder.v1"
	fileType   = "application/vnd.kxlab.file.v1"
)

// A registryPlace is a repository of an OCI registry: a folder is the manifest of a tag, and its files are layers. The tag is set last.
type registryPlace struct{ repo *remote.Repository }

func newRegistry(u *url.URL, n *network) (place, error) {
	repo, err := remote.NewRepository(u.Host + u.Path)
	if err != nil {
		return nil, &usageError{fmt.Errorf("%s: want oci://REGISTRY/REPOSITORY:TAG: %w", u.Redacted(), err)}
	}
	for key, values := range u.Query() {
		if key != "plain_http" || len(values) != 1 || values[0] != "true" {
			return nil, &usageError{fmt.Errorf("%s: want no other parameter than plain_http=true", u.Redacted())}
		}
		repo.PlainHTTP = true
	}
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("read credentials of registries: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	n.use(transport)
	repo.Client = &auth.Client{Client: &http.Client{Transport: retry.NewTransport(transport)}, Cache: auth.NewCache(), Credential: credentials.Credential(store)}
	return registryPlace{repo}, nil
}

func (r registryPlace) put(ctx context.Context, from folder, replace bool) error {
	tag := r.repo.Reference.Reference
	if tag == "" {
		return &usageError{errors.New("want oci://REGISTRY/REPOSITORY:TAG")}
	}
	if err := r.check(ctx, tag, from, replace); err != nil {
		return err
	}
	var layers []ocispec.Descriptor
	for _, f := range from.Files {
		d := ocispec.Descriptor{MediaType: fileType, Digest: digest.NewDigestFromEncoded(digest.SHA256, f.Sum), Size: f.Size,
			Annotations: map[string]string{ocispec.AnnotationTitle: f.Name}}
		if err := r.push(ctx, filepath.Join(from.dir, f.Name), d); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		layers = append(layers, d)
	}
	// A fixed date gives equal folders equal manifests.
	m, err := oras.PackManifest(ctx, r.repo, oras.PackManifestVersion1_1, folderType, oras.PackManifestOptions{Layers: layers,
		ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: "1970-01-01T00:00:00Z"}})
	if err != nil {
		return err
	}
	return r.repo.Tag(ctx, m, tag)
}

// check returns an error for a tag that put must leave alone.
func (r registryPlace) check(ctx context.Context, tag string, from folder, replace bool) error {
	m, err := r.manifest(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	there, err := filesOf(m)
	if err != nil {
		return err
	}
	return checkOther(there, from, replace)
}

// push copies a file unless the registry has it.
func (r registryPlace) push(ctx context.Context, path string, d ocispec.Descriptor) error {
	if there, err := r.repo.Blobs().Exists(ctx, d); err != nil || there {
		return err
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	return r.repo.Blobs().Push(ctx, d, in)
}

func (r registryPlace) get(ctx context.Context, into string) error {
	if tag := r.repo.Reference.Reference; tag != "" {
		return r.download(ctx, tag, into)
	}
	tags, err := r.folders(ctx)
	for _, tag := range tags {
		if err := r.download(ctx, tag, filepath.Join(into, tag)); err != nil {
			return fmt.Errorf("tag %s: %w", tag, err)
		}
	}
	return err
}

func (r registryPlace) folders(ctx context.Context) (tags []string, err error) {
	if tag := r.repo.Reference.Reference; tag != "" {
		_, err := r.repo.Resolve(ctx, tag)
		return []string{"."}, err
	}
	err = r.repo.Tags(ctx, "", func(more []string) error {
		tags = append(tags, more...)
		return nil
	})
	if err == nil && len(tags) == 0 {
		err = errors.New("there is nothing")
	}
	return tags, err
}

func (r registryPlace) download(ctx context.Context, tag, into string) error {
	m, err := r.manifest(ctx, tag)
	if err != nil {
		return err
	}
	files, err := filesOf(m)
	if err != nil {
		return err
	}
	for i, f := range files {
		in, err := r.repo.Blobs().Fetch(ctx, m.Layers[i])
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		err = f.write(into, in)
		in.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// manifest reads the manifest of a tag, which has to be a folder's.
func (r registryPlace) manifest(ctx context.Context, tag string) (m ocispec.Manifest, err error) {
	d, err := r.repo.Resolve(ctx, tag)
	if err != nil {
		return m, err
	}
	raw, err := content.FetchAll(ctx, r.repo, d)
	if err != nil {
		return m, err
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&m); err != nil {
		return m, fmt.Errorf("the manifest is damaged: %w", err)
	}
	if m.ArtifactType != folderType {
		return m, fmt.Errorf("the tag is no folder of %s, but of type %q: name another tag", tool, cmp.Or(m.ArtifactType, m.Config.MediaType))
	}
	return m, nil
}

// filesOf lists the files of a folder, one a layer.
func filesOf(m ocispec.Manifest) (files []file, err error) {
	for _, layer := range m.Layers {
		f := file{layer.Annotations[ocispec.AnnotationTitle], layer.Size, strings.TrimPrefix(layer.Digest.String(), "sha256:")}
		if err := f.check(); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}
