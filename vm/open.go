// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// DefaultSpec is the kernel that is booted unless another is asked for: the newest of the distribution's, which has
// sched_ext, IPVS, netem and BTF.
const DefaultSpec = "forky"

// suites are those whose kernels are looked through for a version: releases before what was backported to them.
var suites = []string{"bookworm", "trixie", "forky", "sid", "bookworm-backports", "trixie-backports"}

// A spec is what a kernel's name means.
type spec struct {
	path    string // of an image or a build tree; or else
	suite   string
	version string // prefix of the package's version: "6.12"
	full    bool   // all drivers, not the kernel for clouds
}

var versionRE = regexp.MustCompile(`^[0-9]+\.[0-9]+[0-9a-z.+~-]*$`)
var suiteRE = regexp.MustCompile(`^[a-z][a-z-]*$`)

// parseSpec reads a kernel's name: "" (DefaultSpec), a path of an image or a build tree (with a slash), a suite ("forky",
// "debian:forky"), a version ("6.12"); the last two may end in "/full" for the kernel with all drivers.
func parseSpec(s string) (spec, error) {
	if s == "" {
		s = DefaultSpec
	}
	name, full := strings.CutSuffix(s, "/full")
	name = strings.TrimPrefix(name, "debian:")
	switch {
	case versionRE.MatchString(name):
		return spec{version: name, full: full}, nil
	case suiteRE.MatchString(name) && !exists(s):
		return spec{suite: name, full: full}, nil
	case strings.Contains(s, "/") || exists(s):
		return spec{path: s}, nil
	}
	return spec{}, fmt.Errorf("kernel %q: neither a version (6.12), nor a suite (forky, debian:trixie), nor a path", s)
}

// Full is the name of the kernel with all drivers, file sharing among them, of the suite or version that a name is for. An image or a
// build tree is what it is.
func Full(name string) string {
	if s, err := parseSpec(name); err != nil || s.path != "" || s.full {
		return name
	}
	if name == "" {
		name = DefaultSpec
	}
	return name + "/full"
}

// Open returns the kernel of a name: see parseSpec. What was fetched before is taken from the cache without asking the mirror;
// Fetch looks for something newer.
func Open(ctx context.Context, name string) (*Kernel, error) {
	s, err := parseSpec(name)
	if err != nil {
		return nil, err
	}
	if s.path != "" {
		return openPath(s.path)
	}
	cached, err := Cached()
	if err != nil {
		return nil, err
	}
	for _, k := range cached {
		if s.matches(k) {
			return k, nil
		}
	}
	return fetch(ctx, s)
}

// Fetch gets the newest kernel of a suite or version from the distribution's mirror into the cache, unless it is there.
func Fetch(ctx context.Context, name string) (*Kernel, error) {
	s, err := parseSpec(name)
	if err != nil {
		return nil, err
	}
	if s.path != "" {
		return openPath(s.path)
	}
	return fetch(ctx, s)
}

func (s spec) flavour() string {
	if s.full {
		return "full"
	}
	return "cloud"
}

func (s spec) matches(k *Kernel) bool {
	if k.Flavour != s.flavour() {
		return false
	}
	if s.version != "" {
		return versionMatches(k.Version, s.version)
	}
	return k.Suite == s.suite
}

// versionMatches says that a version begins with the numbers of a prefix: 6.12.1 with 6.12, but not 6.1.
func versionMatches(version, prefix string) bool {
	rest, ok := strings.CutPrefix(version, prefix)
	return ok && (rest == "" || !strings.ContainsAny(rest[:1], "0123456789"))
}

func openPath(path string) (*Kernel, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open kernel: %w", err)
	}
	if st.IsDir() {
		return openTree(path)
	}
	return openImage(path)
}

// Cached returns the kernels in the cache, newest first.
func Cached() ([]*Kernel, error) {
	dir, err := cacheDir("kernels")
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "kernel.json"))
	if err != nil {
		return nil, err
	}
	var out []*Kernel
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read cached kernel: %w", err)
		}
		k := &Kernel{}
		if err := json.Unmarshal(raw, k); err != nil {
			return nil, fmt.Errorf("read cached kernel %s: %w: remove its folder", file, err)
		}
		root := filepath.Dir(file)
		k.Image, k.Modules, k.Config = within(root, k.Image), within(root, k.Modules), within(root, k.Config)
		out = append(out, k)
	}
	slices.SortStableFunc(out, func(a, b *Kernel) int { return -compareVersions(a.Version, b.Version) })
	return out, nil
}

// within makes a path below root of a relative one; "" stays what it is.
func within(root, path string) string {
	if path == "" {
		return ""
	}
	return filepath.Join(root, path)
}

var numberRE = regexp.MustCompile(`[0-9]+|[^0-9]+`)

// compareVersions orders versions by their numbers; what is between them is compared as text.
func compareVersions(a, b string) int {
	as, bs := numberRE.FindAllString(a, -1), numberRE.FindAllString(b, -1)
	for i := range min(len(as), len(bs)) {
		x, y := as[i], bs[i]
		if isDigit(x[0]) && isDigit(y[0]) && len(x) != len(y) {
			return len(x) - len(y)
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return len(as) - len(bs)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// checkGuest says why a kernel cannot be a guest.
func checkGuest(k *Kernel) error {
	if _, err := imageRelease(k.Image); err != nil {
		return err
	}
	if err := k.require(guestOptions...); err != nil {
		return fmt.Errorf("boot kernel: %w", err)
	}
	return nil
}
