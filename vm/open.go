// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"cmp"
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

	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/sys"
)

// DefaultSpec is the default kernel: the distribution's newest, which has sched_ext, IPVS, netem and BTF.
const DefaultSpec = "forky"

// suites are searched for a kernel's version, releases before their backports.
var suites = []string{"bookworm", "trixie", "forky", "sid", "bookworm-backports", "trixie-backports"}

// A spec is a parsed kernel name. One of path, suite and version is set.
type spec struct {
	path    string // path of an image or a build tree
	suite   string
	version string // prefix of the package's version: "6.12"
	full    bool   // the kernel with all drivers; false: the cloud kernel
}

var versionRE = regexp.MustCompile(`^[0-9]+\.[0-9]+[0-9a-z.+~-]*$`)
var suiteRE = regexp.MustCompile(`^[a-z][a-z-]*$`)

// knownRE matches the suites of Debian that a name means without "debian:" before it. Other names are misspelt more likely than they are
// suites, and the mirror is not asked for them.
var knownRE = regexp.MustCompile(`^(buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable|experimental)` +
	`(-(updates|security|proposed-updates|backports|backports-sloppy))?$`)

// parseSpec parses a kernel's name: "" (DefaultSpec), a path of an image or a build tree (with a slash), a suite ("forky", or any by
// "debian:forky"), a version ("6.12"); the last two may end in "/full" for the kernel with all drivers.
func parseSpec(s string) (spec, error) {
	s = cmp.Or(s, DefaultSpec)
	name, full := strings.CutSuffix(s, "/full")
	name, asked := strings.CutPrefix(name, "debian:")
	switch {
	case versionRE.MatchString(name):
		return spec{version: name, full: full}, nil
	case (knownRE.MatchString(name) || asked && suiteRE.MatchString(name)) && !exists(s):
		return spec{suite: name, full: full}, nil
	case strings.Contains(s, "/") || exists(s):
		return spec{path: s}, nil
	}
	return spec{}, fmt.Errorf("kernel %q: neither a version (6.12), nor a suite of Debian (forky; debian:NAME for one that kxlab does not know), nor a path", s)
}

// CheckName returns an error unless a name can be a kernel's: see parseSpec. No mirror is asked.
func CheckName(name string) error {
	_, err := parseSpec(name)
	return err
}

// Full returns the name of the kernel with all drivers, 9p among them, for the suite or version of a name. The name of an image or a
// build tree is returned unchanged.
func Full(name string) string {
	if s, err := parseSpec(name); err != nil || s.path != "" || s.full {
		return name
	}
	return cmp.Or(name, DefaultSpec) + "/full"
}

// Open returns the kernel of a name: see parseSpec. It prefers a kernel in the cache, even if the mirror has a newer one.
func Open(ctx context.Context, name string) (*Kernel, error) {
	k, err := Find(name)
	if k != nil || err != nil {
		return k, err
	}
	return Fetch(ctx, name)
}

// Find returns the kernel of a name if this machine has it, else nil. No mirror is asked.
func Find(name string) (*Kernel, error) {
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
	if i := slices.IndexFunc(cached, s.matches); i >= 0 {
		return cached[i], nil
	}
	return nil, nil
}

// Fetch returns the kernel of a name. It downloads the newest kernel of a suite or version from the distribution's mirror unless the
// cache has it.
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

// versionMatches tells whether a version begins with the numbers of a prefix: 6.12.1 with 6.12, but not with 6.1.
func versionMatches(version, prefix string) bool {
	rest, ok := strings.CutPrefix(version, prefix)
	return ok && (rest == "" || !isDigit(rest[0]))
}

func openPath(path string) (*Kernel, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open kernel: %w", sys.Missing("file", path, err))
	}
	if st.IsDir() {
		return openTree(path)
	}
	return openImage(path)
}

// Cached returns the kernels in the cache, newest first.
func Cached() ([]*Kernel, error) {
	dir, err := cache.Dir("kernels")
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "kernel.json"))
	if err != nil {
		return nil, err
	}
	var out []*Kernel
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(filepath.Dir(file)), cache.PartPrefix) {
			continue // unfinished
		}
		k, err := readKernel(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	slices.SortStableFunc(out, func(a, b *Kernel) int { return compareVersions(b.Version, a.Version) })
	return out, nil
}

// readKernel reads the description of a kernel in the cache. Its paths are relative to the file's folder.
func readKernel(file string) (*Kernel, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read cached kernel: %w", err)
	}
	k := &Kernel{}
	if err := json.Unmarshal(raw, k); err != nil {
		return nil, fmt.Errorf("read cached kernel %s: %w: remove its folder", file, err)
	}
	for _, p := range []*string{&k.Image, &k.Modules, &k.Config} {
		if *p != "" {
			*p = filepath.Join(filepath.Dir(file), *p)
		}
	}
	return k, nil
}

var numberRE = regexp.MustCompile(`[0-9]+|[^0-9]+`)

// compareVersions orders versions by their numbers and compares the rest as text.
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
