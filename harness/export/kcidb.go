// SPDX-License-Identifier: Apache-2.0

package export

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// The documents of KCIDB, I/O schema 5.3 (github.com/kernelci/kcidb-io), as far as they are used: the commit measured is a checkout, a
// setting with its kernel is a build, and each unit of a cell, or cell without a number, is a test.
type (
	kcidbReport struct {
		Version   kcidbVersion    `json:"version"`
		Checkouts []kcidbCheckout `json:"checkouts"`
		Builds    []kcidbBuild    `json:"builds"`
		Tests     []kcidbTest     `json:"tests"`
	}
	kcidbVersion struct {
		Major int `json:"major"`
		Minor int `json:"minor"`
	}
	kcidbCheckout struct {
		ID      string `json:"id"`
		Origin  string `json:"origin"`
		Commit  string `json:"git_commit_hash,omitempty"`
		Message string `json:"git_commit_message,omitempty"`
		Valid   bool   `json:"valid"`
	}
	kcidbBuild struct {
		Checkout     string            `json:"checkout_id"`
		ID           string            `json:"id"`
		Origin       string            `json:"origin"`
		Comment      string            `json:"comment"`
		Architecture string            `json:"architecture,omitempty"`
		Status       string            `json:"status"`
		Misc         map[string]string `json:"misc"`
	}
	kcidbTest struct {
		Build       string           `json:"build_id"`
		ID          string           `json:"id"`
		Origin      string           `json:"origin"`
		Environment kcidbEnvironment `json:"environment"`
		Path        string           `json:"path"`
		Comment     string           `json:"comment"`
		Log         string           `json:"log_excerpt,omitempty"`
		Status      string           `json:"status"`
		Number      *kcidbNumber     `json:"number,omitempty"`
		Start       string           `json:"start_time"`
		Misc        map[string]any   `json:"misc,omitempty"`
	}
	kcidbEnvironment struct {
		Comment string `json:"comment"`
	}
	kcidbNumber struct {
		Value float64 `json:"value"`
		Unit  string  `json:"unit"`
	}
)

// mostLog is how many characters of a log KCIDB takes.
const mostLog = 16384

var (
	originRE = regexp.MustCompile(`^[a-z0-9_]+$`)
	commitRE = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// Check returns an error for an origin that KCIDB does not take.
func (o Options) Check() error {
	if o.Origin != "" && !originRE.MatchString(o.Origin) {
		return fmt.Errorf("origin %q: KCIDB takes small letters, digits and underscores", o.Origin)
	}
	return nil
}

// kcidbArch are the kernel's names of architectures that Go names otherwise.
var kcidbArch = map[string]string{"amd64": "x86_64", "386": "i386"}

// kcidbStatus is the status of a test whose cell has no number.
var kcidbStatus = map[string]string{
	string(harness.OutcomeFailed): "FAIL", string(harness.OutcomeNotSupported): "SKIP", string(harness.OutcomeInvalid): "ERROR", string(harness.OutcomeCaught): "PASS",
}

// writeKCIDB writes a report for KCIDB.
func writeKCIDB(w io.Writer, runs []Run, o Options) error {
	if err := o.Check(); err != nil {
		return err
	}
	origin := cmp.Or(o.Origin, "kxlab")
	report := kcidbReport{Version: kcidbVersion{5, 3}, Checkouts: []kcidbCheckout{}, Builds: []kcidbBuild{}, Tests: []kcidbTest{}}
	used := newNames()
	id := func(parts ...string) string {
		sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
		return origin + ":" + hex.EncodeToString(sum[:16])
	}
	for _, r := range runs {
		checkout := kcidbCheckout{ID: id("checkout", r.Commit.Commit), Origin: origin, Message: plain(r.Commit.Subject), Valid: true}
		if commitRE.MatchString(r.Commit.Commit) {
			checkout.Commit = r.Commit.Commit
		}
		if !slices.Contains(report.Checkouts, checkout) {
			report.Checkouts = append(report.Checkouts, checkout)
		}
		start := r.Recorded.UTC().Format(time.RFC3339)
		build := kcidbBuild{Checkout: checkout.ID, ID: id("build", r.Commit.Commit, r.Setting.String(), r.Kernel, r.QEMU, start), Origin: origin, Comment: plain(r.Setting.String()),
			Architecture: cmp.Or(kcidbArch[r.Arch], r.Arch), Status: "PASS", Misc: map[string]string{"target": r.Target, "kernel": plain(r.Kernel), "qemu": plain(r.QEMU)}}
		if err := used.add(build.ID); err != nil {
			return fmt.Errorf("%w (%s)", err, build.Comment)
		}
		report.Builds = append(report.Builds, build)
		test := func(c harness.Cell, unit string) kcidbTest {
			return kcidbTest{Build: build.ID, ID: id("test", build.ID, c.BenchName(), unit), Origin: origin, Environment: kcidbEnvironment{plain(r.CPU)},
				Path: "kxlab." + pathWord(r.Experiment) + "." + pathWord(c.Workload) + "." + pathWord(c.Variant), Comment: c.BenchName(), Start: start}
		}
		rows, err := r.rows()
		if err != nil {
			return err
		}
		for _, s := range rows {
			t := test(s.Cell, s.Unit)
			t.Status, t.Number = "DONE", &kcidbNumber{s.median(), plain(s.Unit)}
			t.Misc = map[string]any{"trials": s.values, "better": cmp.Or(r.better(s.Unit), "neither")}
			report.Tests = append(report.Tests, t)
		}
		for _, m := range r.Missing {
			c, err := record.ParseCell(r.Experiment, m.Cell)
			if err != nil {
				return fmt.Errorf("export: %w", err)
			}
			if status := kcidbStatus[m.Outcome]; status != "" {
				t := test(c, "")
				t.Status, t.Log = status, excerpt(m.Reason)
				report.Tests = append(report.Tests, t)
			}
		}
	}
	return writeJSON(w, report)
}

// plain is text without the one character that KCIDB refuses.
func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

// excerpt is the end of a log, which tells most.
func excerpt(text string) string {
	runes := []rune(plain(text))
	return string(runes[max(0, len(runes)-mostLog):])
}

// pathWord is a word of a test's path.
func pathWord(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' {
			return r
		}
		return rune(word(string(r))[0])
	}, text)
}
