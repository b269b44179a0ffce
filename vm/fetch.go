// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// metaPackage is the package that depends on the newest kernel of its flavour.
func (s spec) metaPackage() string {
	if s.full {
		return "linux-image-amd64"
	}
	return "linux-image-cloud-amd64"
}

// fetch gets a kernel of the distribution into the cache.
func fetch(ctx context.Context, s spec) (*Kernel, error) {
	dir, err := cacheDir("kernels")
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	among := suites
	if s.suite != "" {
		among = []string{s.suite}
	}
	var errs []error
	var seen []string
	for _, suite := range among {
		a, err := openAPT(ctx, suite)
		var unread *mirrorError
		if errors.As(err, &unread) {
			errs = append(errs, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		meta, err := a.show(ctx, s.metaPackage())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		seen = append(seen, suite+" has "+meta.version)
		if s.version == "" || versionMatches(meta.version, s.version) {
			return install(ctx, a, s, suite, meta, dir)
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("fetch kernel: %w", ctx.Err())
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("fetch kernel: the mirror cannot be used, and none such is in the cache; connect, then `kxlab vm fetch`, "+
			"or name a kernel image or build tree with --kernel: %w", errors.Join(errs...))
	}
	return nil, harness.Skip("no suite has a kernel %s: %s", s.version, strings.Join(seen, ", "))
}

// install downloads the packages of a kernel and puts them into the cache under their version.
func install(ctx context.Context, a *apt, s spec, suite string, meta debPackage, dir string) (*Kernel, error) {
	place := filepath.Join(dir, meta.version+"-"+s.flavour())
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
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	tmp, err := os.MkdirTemp(dir, "part-")
	if err != nil {
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := a.download(ctx, tmp, tmp, packages); err != nil {
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	k, err := findKernel(tmp)
	if err != nil {
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	k.Version, k.Suite, k.Flavour = meta.version, suite, s.flavour()
	k.From = "Debian " + suite + ", " + packages[0] + " " + meta.version
	raw, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(tmp, "kernel.json"), raw, 0o644); err != nil {
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	if err := os.Rename(tmp, place); err != nil {
		return nil, fmt.Errorf("fetch kernel: %w", err)
	}
	k.Image, k.Modules, k.Config = within(place, k.Image), within(place, k.Modules), within(place, k.Config)
	return k, nil
}

// kernelPackages follows the dependencies of the newest kernel that stay in the family: image, and in newer versions binary,
// modules and base.
func kernelPackages(ctx context.Context, a *apt, meta debPackage) ([]string, error) {
	var out []string
	queue := meta.depends
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		ours := false
		for _, p := range []string{"linux-image-", "linux-binary-", "linux-modules-", "linux-base-"} {
			rest, ok := strings.CutPrefix(name, p)
			ours = ours || ok && rest != "" && isDigit(rest[0])
		}
		if !ours || slices.Contains(out, name) {
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

// findKernel finds the kernel in a root folder that packages were unpacked into; its paths are relative to the root.
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
	modules := firstThere(filepath.Join(root, "usr/lib/modules", release), filepath.Join(root, "lib/modules", release))
	k := &Kernel{Release: release, Image: images[0], Modules: modules,
		Config: firstThere(filepath.Join(root, "boot/config-"+release), filepath.Join(modules, "config"))}
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
