// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// An apt is the distribution's package manager with a state of the lab's own: what is fetched is checked against the
// distribution's keys, and nothing of the machine's is changed. It needs no root.
type apt struct {
	dir  string // of its state
	conf string // path of its configuration
}

// openAPT makes an apt whose only source is a suite of the machine's own Debian mirror, and reads the suite's index. Of several
// mirrors that may be Debian's it takes the first with a valid index of the suite.
func openAPT(ctx context.Context, suite string) (*apt, error) {
	if _, err := sys.LookTool("apt-get"); err != nil {
		return nil, fmt.Errorf("get packages: %w: name a kernel image or a kernel build tree instead", err)
	}
	mirrors, err := debianMirrors(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := cacheDir("apt", suite)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, mirror := range mirrors {
		a := &apt{dir: dir, conf: filepath.Join(dir, "apt.conf")}
		if err := a.writeState(mirror, suite); err != nil {
			return nil, fmt.Errorf("make APT state: %w", err)
		}
		if err = a.update(ctx); err == nil {
			return a, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, &mirrorError{fmt.Errorf("read index of suite %s: %w", suite, errors.Join(errs...))}
}

// A mirrorError says why no mirror gave an index. Another suite's may be had.
type mirrorError struct{ err error }

func (e *mirrorError) Error() string { return e.err.Error() }
func (e *mirrorError) Unwrap() error { return e.err }

// debianKeyring holds the distribution's keys. Where it is not installed APT's own keys have to do.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// writeState writes what APT reads before it fetches anything.
func (a *apt) writeState(mirror, suite string) error {
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return err
		}
	}
	keys := ""
	if exists(debianKeyring) {
		keys = "[signed-by=" + debianKeyring + "] " // keys of third parties are not enough
	}
	source := fmt.Sprintf("deb %s%s %s main\n", keys, mirror, suite)
	conf := strings.NewReplacer("DIR", a.dir).Replace(`Dir::State "DIR";
Dir::State::lists "DIR/lists";
Dir::State::status "DIR/status";
Dir::Cache "DIR/cache";
Dir::Etc::sourcelist "DIR/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
APT::Sandbox::User "";
`)
	for name, text := range map[string]string{"sources.list": source, "apt.conf": conf, "status": ""} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// debianMirrors lists the addresses from which this machine may get Debian, the surest first.
func debianMirrors(ctx context.Context) ([]string, error) {
	indexes, err := hostAPT(ctx, "indextargets", "--format", "$(ORIGIN)\t$(LABEL)\t$(REPO_URI)")
	if err != nil {
		return nil, err
	}
	uris, err := hostAPT(ctx, "update", "--print-uris")
	if err != nil {
		return nil, err
	}
	mirrors := findMirrors(indexes, uris)
	if len(mirrors) == 0 {
		return nil, harness.Skip("this machine's APT has no Debian mirror (.../debian) to get packages from: name a kernel image or a " +
			"kernel build tree instead")
	}
	return mirrors, nil
}

// hostAPT returns what apt-get writes with the machine's own configuration.
func hostAPT(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	var stderr bytes.Buffer
	cmd.Stderr, cmd.Env = &stderr, append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find Debian mirror: apt-get %s: %w: %s", args[0], err, lastLines(stderr.String(), 2))
	}
	return string(out), nil
}

// mirrorRE matches what APT would fetch from a mirror that may be Debian's: 'http://HOST/debian/dists/SUITE/InRelease'.
var mirrorRE = regexp.MustCompile(`(?m)^'([^']*/debian)/+dists/[^']*/InRelease'`)

// findMirrors returns, without repetition, the mirrors whose index names Debian as its origin, and then those whose path ends in
// /debian: before the first update no index is there, and third parties also use such paths. Indexes has a line for each
// index: origin, label and address with tabs between them; uris is what `apt-get update --print-uris` writes.
func findMirrors(indexes, uris string) []string {
	var out []string
	others := map[string]bool{} // with an index of a third party
	add := func(mirror string) {
		if mirror = strings.TrimRight(mirror, "/"); mirror != "" && !others[mirror] && !slices.Contains(out, mirror) {
			out = append(out, mirror)
		}
	}
	for line := range strings.Lines(indexes) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		switch {
		case len(f) != 3:
		case f[0] == "Debian" && f[1] == "Debian":
			add(f[2])
		case f[0] != "" && f[0] != "Debian":
			others[strings.TrimRight(f[2], "/")] = true
		}
	}
	for _, m := range mirrorRE.FindAllStringSubmatch(uris, -1) {
		add(m[1])
	}
	return out
}

// run runs one of APT's commands and returns what it wrote.
func (a *apt) run(ctx context.Context, dir string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "APT_CONFIG="+a.conf, "LC_ALL=C")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, lastLines(stderr.String(), 4))
	}
	return stdout.String(), nil
}

// update reads the suite's index. What keeps it from it (no network, a suite that does not exist, a wrong signature) is in
// the error.
func (a *apt) update(ctx context.Context) error {
	_, err := a.run(ctx, a.dir, "apt-get", "update", "-qq", "-o", "APT::Update::Error-Mode=any")
	return err
}

// A debPackage is what an index says of a package.
type debPackage struct {
	name, version string
	depends       []string // names, alternatives included
}

// show reads the index on the newest version of a package.
func (a *apt) show(ctx context.Context, name string) (debPackage, error) {
	out, err := a.run(ctx, a.dir, "apt-cache", "show", "--no-all-versions", name)
	if err != nil {
		return debPackage{}, err
	}
	p := parsePackage(name, out)
	if p.version == "" {
		return p, fmt.Errorf("look up package %s: the index does not have it", name)
	}
	return p, nil
}

// parsePackage reads what `apt-cache show` writes of one version of a package.
func parsePackage(name, out string) debPackage {
	p := debPackage{name: name}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Version":
			p.version = value
		case "Depends", "Pre-Depends":
			for _, d := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == '|' }) {
				if f := strings.Fields(d); len(f) > 0 {
					p.depends = append(p.depends, f[0])
				}
			}
		}
	}
	return p
}

// download fetches packages into dir and unpacks them into root.
func (a *apt) download(ctx context.Context, dir, root string, packages []string) error {
	if _, err := a.run(ctx, dir, append([]string{"apt-get", "download", "-qq"}, packages...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if _, err := a.run(ctx, dir, "dpkg-deb", "-x", deb, root); err != nil {
			return fmt.Errorf("unpack package: %w", err)
		}
		if err := os.Remove(deb); err != nil {
			return fmt.Errorf("unpack package: %w", err)
		}
	}
	return nil
}

// lastLines returns the last n lines of a text, on one line.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
