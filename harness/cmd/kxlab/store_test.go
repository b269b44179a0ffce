// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlaces: words that are places of one folder, the place above, and that of a folder below it.
func TestPlaces(t *testing.T) {
	tools := t.TempDir()
	if err := os.WriteFile(filepath.Join(tools, storeTool), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools)
	for _, tt := range []struct{ place, above string }{
		{"file:///st/1", "file:///st"}, {"s3://b/run/1?region=r", "s3://b/run?region=r"}, {"oci://r:5000/x/y:1?plain_http=true", "oci://r:5000/x/y?plain_http=true"},
	} {
		if err := checkPlace(tt.place); err != nil || above(tt.place) != tt.above || placeBelow(tt.above, "/1") != tt.place {
			t.Errorf("%s: %v, above %s, below %s", tt.place, err, above(tt.place), placeBelow(tt.above, "/1"))
		}
	}
	if got := above("a/b/"); got != "a" {
		t.Errorf("above a/b/ is %s", got)
	}
	for _, bad := range []string{"http://x/y", "oci://127.0.0.1:1/a/b", "oci:///a:b", "s3:///x", "file://host/x", "s3://%zz"} {
		if err := checkPlace(bad); codeOf(err) != codeUsage || !strings.Contains(err.Error(), "--out "+bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	t.Setenv("PATH", "/nowhere")
	if err := checkPlace("s3://b/x"); codeOf(err) != codeNothing {
		t.Errorf("without %s: %v", storeTool, err)
	}
}

// TestFetched: errors name places, not their copies, and a place that cannot be had is left out of a partial fetch only.
func TestFetched(t *testing.T) {
	tools, dir := t.TempDir(), t.TempDir()
	script := "#!/bin/sh\ncase $2 in */bad*) exit 1;; esac\nmkdir -p $3\n"
	if err := errors.Join(os.WriteFile(filepath.Join(tools, storeTool), []byte(script), 0o755), os.MkdirAll(filepath.Join(dir, "good"), 0o755),
		os.MkdirAll(filepath.Join(dir, "bad"), 0o755), os.WriteFile(filepath.Join(dir, "good", "plan.json"), nil, 0o644),
		os.WriteFile(filepath.Join(dir, "bad", "plan.json"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	s := streams{out: os.Stdout, err: os.Stderr}
	if _, _, err := fetched(t.Context(), s, []string{"s3://b/bad"}, false); err == nil || !strings.Contains(err.Error(), "--allow-partial leaves it out") {
		t.Errorf("a place that cannot be had: %v", err)
	}
	dirs, f, err := fetched(t.Context(), s, []string{"here", "s3://b/run?region=r", "file://" + dir}, true)
	defer f.close()
	if err != nil || len(dirs) != 3 || dirs[0] != "here" || len(f.faults) != 1 || !strings.HasPrefix(f.faults[0].Error(), "file://"+dir+"/bad is left out") {
		t.Fatalf("%q, %v, %v", dirs, f.faults, err)
	}
	err = f.rename(errors.New("shard 1 of 2 (" + dirs[1] + "/1) lacks x; with --out " + dirs[1] + " it is made, " + dirs[2]))
	if want := "shard 1 of 2 (s3://b/run/1?region=r) lacks x; with --out s3://b/run?region=r it is made, file://" + dir + "/good"; err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
