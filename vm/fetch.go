// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
)

// metaPackage is the package that depends on the newest kernel of its flavour.
func (s spec) metaPackage() string {
	if s.full {
		return "linux-image-amd64"
	}
	return "linux-image-cloud-amd64"
}

func fetch(ctx context.Context, s spec) (*Kernel, error) {
	dir, err := cache.Dir("kernels")
	if err != nil {
		return nil, err
	}
	lock, err := cache.Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	candidates := suites
	if s.suite != "" {
		candidates = []string{s.suite}
	}
	var errs []error
	var versions []string
	for _, suite := range candidates {
		a, err := openAPT(ctx, suite)
		var noIndex *mirrorError
		if err != nil && !errors.As(err, &noIndex) {
			return nil, err
		}
		var meta debPackage
		if err == nil {
			meta, err = a.show(ctx, s.metaPackage())
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		versions = append(versions, suite+" has "+meta.version)
		if s.version == "" || versionMatches(meta.version, s.version) {
			k, err := install(ctx, a, s, suite, meta, dir)
			if err != nil {
				return nil, fmt.Errorf("fetch kernel: %w", err)
			}
			return k, nil
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("fetch kernel: %w", ctx.Err())
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("fetch kernel: not in the cache, and the mirror cannot be used; connect, then `kxlab vm fetch`, or name "+
			"a kernel image or build tree with --kernel: %w", errors.Join(errs...))
	}
	return nil, harness.Skip("no suite has a kernel %s: %s", s.version, strings.Join(versions, ", "))
}

// install downloads the packages of a kernel and unpacks them into a folder of the cache that is named after version and flavour.
func install(ctx context.Context, a *apt, s spec, suite string, meta debPackage, dir string) (*Kernel, error) {
	if cached, err := Cached(); err == nil {
		for _, k := range cached {
			if k.Version == meta.version && k.Flavour == s.flavour() {
				k.Suite = suite
				return k, nil
			}
		}
	}
	packages, err := kernelPackages(ctx, a, meta)
	if err != nil {
		return nil, err
	}
	place := filepath.Join(dir, meta.version+"-"+s.flavour())
	if err := a.install(ctx, place, packages, func(root string) error {
		k, err := findKernel(root)
		if err != nil {
			return err
		}
		k.Version, k.Suite, k.Flavour = meta.version, suite, s.flavour()
		k.From = "Debian " + suite + ", " + packages[0] + " " + meta.version
		raw, err := json.MarshalIndent(k, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(root, "kernel.json"), raw, 0o644)
	}); err != nil {
		return nil, err
	}
	return readKernel(filepath.Join(place, "kernel.json"))
}

// kernelPackages follows a meta package's dependencies on packages of the kernel: image, and in newer versions binary, modules
// and base.
func kernelPackages(ctx context.Context, a *apt, meta debPackage) ([]string, error) {
	var out []string
	queue := meta.depends
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if !kernelPackageRE.MatchString(name) || slices.Contains(out, name) {
			continue
		}
		p, err := a.show(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, name)
		queue = append(queue, p.depends...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("package %s depends on no kernel", meta.name)
	}
	return out, nil
}

var kernelPackageRE = regexp.MustCompile(`^linux-(image|binary|modules|base)-[0-9]`)

// findKernel finds the kernel in a root folder into which packages were unpacked; its paths are relative to the root.
func findKernel(root string) (*Kernel, error) {
	var images []string
	for _, pattern := range []string{"boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz", "lib/modules/*/vmlinuz"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		images = append(images, found...)
	}
	if len(images) == 0 {
		return nil, errors.New("no kernel image in the packages")
	}
	release, err := imageRelease(images[0])
	if err != nil {
		return nil, err
	}
	modules := firstExisting(filepath.Join(root, "usr/lib/modules", release), filepath.Join(root, "lib/modules", release))
	k := &Kernel{Release: release, Image: images[0], Modules: modules,
		Config: firstExisting(filepath.Join(root, "boot/config-"+release), filepath.Join(modules, "config"))}
	for _, p := range []*string{&k.Image, &k.Modules, &k.Config} {
		if *p == "" {
			continue
		}
		if *p, err = filepath.Rel(root, *p); err != nil {
			return nil, err
		}
	}
	return k, nil
}
