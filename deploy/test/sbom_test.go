// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// An sbom has the fields that SPDX 2.3 requires of a document, its packages and relationships, and the reference to a package manager.
type sbom struct {
	SPDXVersion       string `json:"spdxVersion"`
	DataLicense       string `json:"dataLicense"`
	SPDXID            string `json:"SPDXID"`
	Name              string `json:"name"`
	DocumentNamespace string `json:"documentNamespace"`
	CreationInfo      struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	} `json:"creationInfo"`
	Packages []struct {
		Name             string `json:"name"`
		SPDXID           string `json:"SPDXID"`
		VersionInfo      string `json:"versionInfo"`
		DownloadLocation string `json:"downloadLocation"`
		FilesAnalyzed    bool   `json:"filesAnalyzed"`
		LicenseConcluded string `json:"licenseConcluded"`
		LicenseDeclared  string `json:"licenseDeclared"`
		CopyrightText    string `json:"copyrightText"`
		ExternalRefs     []struct {
			ReferenceCategory string `json:"referenceCategory"`
			ReferenceType     string `json:"referenceType"`
			ReferenceLocator  string `json:"referenceLocator"`
		} `json:"externalRefs"`
	} `json:"packages"`
	Relationships []struct {
		SPDXElementID      string `json:"spdxElementId"`
		RelationshipType   string `json:"relationshipType"`
		RelatedSPDXElement string `json:"relatedSpdxElement"`
	} `json:"relationships"`
}

var (
	spdxID  = regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`)
	created = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
)

// check returns the document's faults.
func (s sbom) check() (faults []string) {
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	add(s.SPDXVersion != "SPDX-2.3" || s.DataLicense != "CC0-1.0" || s.SPDXID != "SPDXRef-DOCUMENT" || s.Name == "", "head %q %q %q", s.SPDXVersion, s.DataLicense, s.SPDXID)
	add(!strings.HasPrefix(s.DocumentNamespace, "https://") || strings.Contains(s.DocumentNamespace, "#"), "namespace %q", s.DocumentNamespace)
	add(!created.MatchString(s.CreationInfo.Created) || len(s.CreationInfo.Creators) == 0, "created %q by %q", s.CreationInfo.Created, s.CreationInfo.Creators)
	described := map[string]bool{}
	for _, r := range s.Relationships {
		add(r.SPDXElementID != s.SPDXID || r.RelationshipType != "DESCRIBES", "relationship %+v", r)
		described[r.RelatedSPDXElement] = true
	}
	ids := map[string]bool{}
	for _, p := range s.Packages {
		add(p.Name == "" || p.VersionInfo == "" || p.DownloadLocation == "" || p.LicenseConcluded == "" || p.LicenseDeclared == "" || p.CopyrightText == "", "package %+v", p)
		add(!spdxID.MatchString(p.SPDXID) || ids[p.SPDXID] || !described[p.SPDXID], "id %q", p.SPDXID)
		add(len(p.ExternalRefs) != 1 || p.ExternalRefs[0].ReferenceType != "purl" || !strings.HasPrefix(p.ExternalRefs[0].ReferenceLocator, "pkg:"), "reference %+v", p.ExternalRefs)
		ids[p.SPDXID] = true
	}
	return faults
}

// TestSBOM: the list has each package of Debian that is installed and each Go module, with the fields of SPDX, and is the same when made again.
func TestSBOM(t *testing.T) {
	for _, tool := range []string{"dpkg-query", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	root, tools := t.TempDir(), t.TempDir()
	// Stands in for go version -m; the binary of a test does not name its modules.
	said := "#!/bin/sh\nprintf '%s: go1.26.8\\n\\tpath\\tgithub.com/kxlab/kxlab/harness/cmd/kxlab\\n\\tmod\\ta/b\\t(devel)\\t\\n\\tdep\\tk8s.io/api\\tv0.37.0\\th1:x=\\n' \"$3\"\n"
	entry := "Package: %s\nStatus: %s\nMaintainer: a <a@b>\nArchitecture: amd64\nVersion: %s\nDescription: x\n\n"
	status := fmt.Sprintf(entry, "hello", "install ok installed", "1:2.10-3+b1") + fmt.Sprintf(entry, "gone", "deinstall ok config-files", "1.0")
	for path, raw := range map[string]string{filepath.Join(tools, "go"): said, filepath.Join(root, "var/lib/dpkg/status"): status} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(raw), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	list := func() []byte {
		t.Helper()
		cmd := exec.Command("../../scripts/sbom", root, "usr/bin/program")
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1750000000", "PATH="+tools+":"+os.Getenv("PATH"))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("sbom: %v: %s", err, out)
		}
		return out
	}
	raw := list()
	var s sbom
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	if faults := s.check(); len(faults) > 0 {
		t.Errorf("%q", faults)
	}
	have, licence := map[string]string{}, map[string]string{}
	for _, p := range s.Packages {
		have[p.Name], licence[p.Name] = p.ExternalRefs[0].ReferenceLocator, p.LicenseDeclared
	}
	if got := have["hello"]; got != "pkg:deb/debian/hello@1%3A2.10-3%2Bb1?arch=amd64" || have["gone"] != "" {
		t.Errorf("packages of Debian: %q, and of one that is not installed %q", got, have["gone"])
	}
	if have["k8s.io/api"] != "pkg:golang/k8s.io/api@v0.37.0" || have["stdlib"] != "pkg:golang/stdlib@1.26.8" || len(s.Packages) != 5 {
		t.Errorf("%q", have)
	}
	if !strings.HasPrefix(have["uplot"], "pkg:npm/uplot@1") || licence["uplot"] != "MIT" || licence["stdlib"] != "NOASSERTION" {
		t.Errorf("the plotting library of pages: %q; licences %q", have["uplot"], licence)
	}
	if s.CreationInfo.Created != "2025-06-15T15:06:40Z" || !bytes.Equal(list(), raw) {
		t.Errorf("created %s; or made again it is another", s.CreationInfo.Created)
	}
	s.Packages[0].SPDXID, s.Packages[1].VersionInfo = "a b", ""
	if faults := s.check(); len(faults) < 2 {
		t.Errorf("planted faults: %q", faults)
	}
}
