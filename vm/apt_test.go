// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindMirrors(t *testing.T) {
	const uris = `'https://download.example.com/linux/debian/dists/bookworm/InRelease' example 0 
'http://deb.example.org/debian/dists/bookworm/InRelease' deb 0 
'http://deb.example.org/debian/dists/bookworm-updates/InRelease' deb 0 
'http://deb.example.org/debian-security/dists/bookworm-security/InRelease' deb 0 
'http://deb.example.org/debian/dists/bookworm/main/binary-amd64/Packages.xz' deb 0 
`
	const third, debian, other = "https://download.example.com/linux/debian", "http://deb.example.org/debian", "http://mirror.example.net/pub"
	for _, c := range []struct {
		about, indexes, uris string
		want                 []string
	}{
		{"no index yet: both may be Debian's", "\t\t" + third + "/\n\t\t" + debian + "/\n", uris, []string{third, debian}},
		{"Debian's own comes first", "\t\t" + third + "/\nDebian\tDebian\t" + debian + "/\n", uris, []string{debian, third}},
		{"a third party's index says so", "Example\tExample CE\t" + third + "/\n\t\t" + debian + "/\n", uris, []string{debian}},
		{"another path", "Debian\tDebian\t" + other + "/\nDebian\tDebian\t" + other + "/\n", "", []string{other}},
		{"security updates are not all of Debian", "Debian\tDebian-Security\t" + other + "/\n", "", nil},
		{"Ubuntu", "Ubuntu\tUbuntu\thttp://archive.example.com/ubuntu/\n", "'http://archive.example.com/ubuntu/dists/noble/InRelease' x 0\n", nil},
		{"nothing", "", "", nil},
		{"other lines", "Debian\n\nDebian\tDebian\n", "Reading lists\n", nil},
	} {
		if got := findMirrors(c.indexes, c.uris); !cmp.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.about, got, c.want)
		}
	}
}

// The state names one mirror and one suite, and nothing of the machine's own.
func TestAPTState(t *testing.T) {
	dir := t.TempDir()
	a := &apt{dir: dir, conf: filepath.Join(dir, "apt.conf")}
	if err := a.writeState("http://deb.example.org/debian", "forky"); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(dir, "sources.list"))
	if err != nil {
		t.Fatal(err)
	}
	want := "deb http://deb.example.org/debian forky main\n"
	if exists(debianKeyring) {
		want = "deb [signed-by=" + debianKeyring + "] http://deb.example.org/debian forky main\n"
	}
	if string(list) != want {
		t.Errorf("sources: %q, want %q", list, want)
	}
	conf, err := os.ReadFile(a.conf)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`Dir::State "` + dir + `";`, `Dir::Cache "` + dir + `/cache";`, `Dir::Etc::sourcelist "` + dir + `/sources.list";`, `Dir::Etc::sourceparts "-";`,
		`Dir::State::lists "` + dir + `/lists";`, `Dir::State::status "` + dir + `/status";`,
	} {
		if !strings.Contains(string(conf), line+"\n") {
			t.Errorf("no line %s in %s", line, conf)
		}
	}
}

func TestParsePackage(t *testing.T) {
	got := parsePackage("linux-image-cloud-amd64", `Package: linux-image-cloud-amd64
Source: linux-signed-amd64 (7.2.12+1)
Version: 7.2.12-1
Pre-Depends: linux-base (>= 4.0)
Depends: linux-image-7.2.12+deb14-cloud-amd64 (= 7.2.12-1) | linux-image-other, , kmod:any
Description: Linux for x86-64 cloud: Version: none
`)
	want := debPackage{
		name: "linux-image-cloud-amd64", version: "7.2.12-1",
		depends: []string{"linux-base", "linux-image-7.2.12+deb14-cloud-amd64", "linux-image-other", "kmod:any"},
	}
	if !cmp.Equal(got, want, cmp.AllowUnexported(debPackage{})) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := parsePackage("x", "N: Unable to locate package x\n"); got.version != "" {
		t.Errorf("of a package that is not there: %+v", got)
	}
}

func TestLastLines(t *testing.T) {
	for n, want := range map[int]string{1: "c", 2: "b; c", 9: "a; b; c"} {
		if got := lastLines("a\nb\nc\n", n); got != want {
			t.Errorf("last %d lines: %q, want %q", n, got, want)
		}
	}
}
