// SPDX-License-Identifier: Apache-2.0

// Package test renders what deploy has for Kubernetes, with the libraries of Helm and kustomize, and checks the objects against the types of
// Kubernetes' API. The module is one of its own, so that no build of kxlab needs these libraries.
package test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// renderChart renders the chart with values, as helm install would, and decodes the documents.
func renderChart(values map[string]any) ([]runtime.Object, error) {
	c, err := loader.LoadDir("../helm/kxlab")
	if err != nil {
		return nil, err
	}
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "night", Namespace: "lab", IsInstall: true}, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	var out []runtime.Object
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		objects, err := decode([]byte(files[name]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", name, err, files[name])
		}
		out = append(out, objects...)
	}
	return out, nil
}

// renderKustomize renders the example of deploy/kubernetes with a plan of a number of shards, after edit, which may be nil, changed the files.
func renderKustomize(t *testing.T, shards int, edit func(name, text string) string) ([]runtime.Object, error) {
	t.Helper()
	disk := filesys.MakeFsInMemory()
	root := os.DirFS("../kubernetes")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		text := string(raw)
		if edit != nil {
			text = edit(path, text)
		}
		return disk.WriteFile(filepath.Join("/", path), []byte(text))
	})
	if err == nil {
		err = disk.WriteFile("/example/plan.json", []byte(plan(shards)))
	}
	if err != nil {
		t.Fatal(err)
	}
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, "/example")
	if err != nil {
		return nil, err
	}
	raw, err := m.AsYaml()
	if err != nil {
		return nil, err
	}
	return decode(raw)
}

// plan is the head of a file of kxlab plan.
func plan(shards int) string {
	return fmt.Sprintf(`{"tool": "kxlab plan", "schema": 1, "shards": %d, "runs": []}`, shards)
}

// decode reads documents as the API's types, strictly: a field that the API does not have is an error.
func decode(raw []byte) ([]runtime.Object, error) {
	d := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{Yaml: true, Strict: true})
	var out []runtime.Object
	for doc := range bytes.SplitSeq(raw, []byte("\n---\n")) {
		if len(bytes.TrimSpace(doc)) == 0 {
			continue
		}
		o, _, err := d.Decode(doc, nil, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}
