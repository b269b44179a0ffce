// SPDX-License-Identifier: Apache-2.0

package test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPackages: the image has each package that scripts/setup installs for measuring, and certificates.
func TestPackages(t *testing.T) {
	setup, err := os.ReadFile("../../scripts/setup")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("../image/packages")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ca-certificates"}
	for _, words := range regexp.MustCompile(`(?s)run_(?:tools|files)=\((.*?)\)`).FindAllStringSubmatch(string(setup), -1) {
		for _, pair := range strings.Fields(words[1]) {
			_, name, _ := strings.Cut(pair, ":")
			want = append(want, name)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if got := strings.Fields(string(list)); len(want) < 10 || !slices.Equal(got, want) {
		t.Errorf("deploy/image/packages has %q, want %q", got, want)
	}
}
