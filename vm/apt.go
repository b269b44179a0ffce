// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// openAPT makes an apt whose only source is a suite of the machine's own Debian mirror.
func openAPT(ctx context.Context, suite string) (*apt, error) {
	if _, err := sys.LookTool("apt-get"); err != nil {
		return nil, harness.Skip("apt-get is not installed: name a kernel image or a kernel build tree instead")
	}
	mirror, err := debianMirror(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := cacheDir("apt", suite)
	if err != nil {
		return nil, err
	}
	a := &apt{dir: dir, conf: filepath.Join(dir, "apt.conf")}
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("make APT state: %w", err)
		}
	}
	source := fmt.Sprintf("deb %s %s main\n", mirror, suite)
	conf := strings.NewReplacer("DIR", dir).Replace(`Dir::State "DIR";
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
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, fmt.Errorf("make APT state: %w", err)
		}
	}
	return a, nil
}

// mirrorRE finds where Debian comes from in what APT would fetch: 'http://HOST/debian/dists/SUITE/InRelease' and more.
var mirrorRE = regexp.MustCompile(`(?m)^'([^']*/debian)/dists/[^']*/InRelease'`)

// debianMirror is the address from which the machine itself gets Debian.
func debianMirror(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", "update", "--print-uris")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find Debian mirror: apt-get update --print-uris: %w: %s", err, lastLines(stderr.String(), 2))
	}
	if m := mirrorRE.FindSubmatch(out); m != nil {
		return string(m[1]), nil
	}
	return "", harness.Skip("this machine's APT has no Debian mirror (.../debian) to get kernels from: name a kernel image or a " +
		"kernel build tree instead")
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
	if p.version == "" {
		return p, fmt.Errorf("look up package %s: not in the index", name)
	}
	return p, nil
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
