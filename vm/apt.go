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
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/sys"
)

// An apt is the distribution's package manager with its own state in the cache. It checks packages against the distribution's keys,
// changes nothing on the machine and needs no root.
type apt struct {
	dir  string // state
	conf string // path of the configuration
}

// openAPT returns an apt whose only source is a suite of the machine's Debian mirror, with the suite's index. Of several candidate
// mirrors it uses the first with a valid index.
func openAPT(ctx context.Context, suite string) (*apt, error) {
	if _, err := sys.LookTool("apt-get"); err != nil {
		return nil, fmt.Errorf("get packages: %w: name a kernel image or a kernel build tree instead", err)
	}
	mirrors, err := debianMirrors(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := cache.Dir("apt", suite)
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

// A mirrorError says why no mirror gave a suite's index. Indexes of other suites may be available.
type mirrorError struct{ err error }

func (e *mirrorError) Error() string { return e.err.Error() }
func (e *mirrorError) Unwrap() error { return e.err }

// debianKeyring holds the distribution's keys. Where it is not installed, all keys that APT trusts are accepted.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// writeState writes APT's configuration and its empty state.
func (a *apt) writeState(mirror, suite string) error {
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return err
		}
	}
	keys := ""
	if exists(debianKeyring) {
		keys = "[signed-by=" + debianKeyring + "] " // excludes keys of third parties
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

// debianMirrors lists the candidate addresses of this machine's Debian mirror, the most certain first.
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

// hostAPT returns the output of apt-get with the machine's own configuration.
func hostAPT(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := output(ctx, cmd)
	if err != nil {
		return "", fmt.Errorf("find Debian mirror: apt-get %s: %w", args[0], err)
	}
	return out, nil
}

// mirrorRE matches the index that APT would fetch from a candidate mirror: 'http://HOST/debian/dists/SUITE/InRelease'.
var mirrorRE = regexp.MustCompile(`(?m)^'([^']*/debian)/+dists/[^']*/InRelease'`)

// findMirrors returns, without repetition, the mirrors whose index names Debian as its origin, then those whose path ends in /debian.
// The path alone is weaker evidence, since third parties use such paths, but before the first update there is no index. Indexes has
// a line for each index: origin, label and address, separated by tabs; uris is the output of `apt-get update --print-uris`.
func findMirrors(indexes, uris string) []string {
	var out []string
	others := map[string]bool{} // mirrors of third parties
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

// run runs a command with this state and returns its output. It waits for other processes' commands with this state.
func (a *apt) run(ctx context.Context, dir string, argv ...string) (string, error) {
	lock, err := cache.Lock(ctx, filepath.Join(a.dir, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "APT_CONFIG="+a.conf, "LC_ALL=C")
	out, err := output(ctx, cmd)
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return out, nil
}

// update fetches the suite's index. Its error names the cause: no network, an unknown suite, a wrong signature.
func (a *apt) update(ctx context.Context) error {
	_, err := a.run(ctx, a.dir, "apt-get", "update", "-qq", "-o", "APT::Update::Error-Mode=any")
	return err
}

// A debPackage is an index's entry for a package.
type debPackage struct {
	name, version string
	depends       []string // names, including alternatives
}

// show returns the newest version of a package in the index.
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

// parsePackage reads the output of `apt-cache show` for one version of a package.
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

// install downloads packages, unpacks them into a temporary folder, calls prepare, which may be nil, on the folder, and renames it to
// path. The caller holds the lock of path's folder.
func (a *apt) install(ctx context.Context, path string, packages []string, prepare func(root string) error) error {
	tmp, err := cache.MakePart(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if _, err := a.run(ctx, tmp, append([]string{"apt-get", "download", "-qq"}, packages...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if _, err = a.run(ctx, tmp, "dpkg-deb", "-x", deb, tmp); err == nil {
			err = os.Remove(deb)
		}
		if err != nil {
			return fmt.Errorf("unpack package: %w", err)
		}
	}
	if prepare != nil {
		if err := prepare(tmp); err != nil {
			return err
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil { // the permissions of a temporary folder are 0700
		return err
	}
	return os.Rename(tmp, path)
}

// output runs a command of ctx and returns its standard output. Its error ends in the last lines of standard error. The command
// is in its own process group, so Ctrl-C reaches it only through ctx, whose end kills the group. It is killed, too, if this
// process is: APT would go on and hold its locks.
func output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	ended, err := startOnThread(cmd, nil)
	if err != nil {
		return "", err
	}
	<-ended
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case !cmd.ProcessState.Success():
		return "", fmt.Errorf("%v: %s", cmd.ProcessState, lastLines(stderr.String(), 4))
	}
	return stdout.String(), nil
}

// lastLines returns the last n lines of a text, joined into one.
func lastLines(s string, n int) string { return joinLast(s, n, "; ") }

func joinLast(s string, n int, separator string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], separator)
}
