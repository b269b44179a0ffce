// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
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

// TestFetched: errors name places, not their copies. A partial fetch takes the folders of a place one by one, and leaves out what cannot be had.
func TestFetched(t *testing.T) {
	tools := t.TempDir()
	script := `#!/bin/sh
case $1\ $2 in
"list s3://b/run"*) printf '1\n2\nbad\n' ;;
"list oci"*) printf 'bad\nnew\n' ;;
list*one) echo . ;;
*bad*) exit 1 ;;
*) mkdir -p "$3" ;;
esac
`
	if err := os.WriteFile(filepath.Join(tools, storeTool), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	s := streams{out: os.Stdout, err: os.Stderr}
	_, f, err := fetched(t.Context(), s, []string{"s3://b/bad"}, false)
	f.close()
	if err == nil || err.Error() != "kxlab-store get s3://b/bad: exit status 1; --allow-partial leaves out what cannot be had" {
		t.Errorf("a place that cannot be had: %v", err)
	}
	words := []string{"here", "s3://b/run?region=r", "file:///st/one", "oci://r/x?plain_http=true", "s3://b/all-bad"}
	dirs, f, err := fetched(t.Context(), s, words, true)
	defer f.close()
	wantFaults := "s3://b/run/bad?region=r is left out: kxlab-store cannot get it\n  oci://r/x:bad?plain_http=true is left out: kxlab-store cannot get it\n  " +
		"s3://b/all-bad is left out: kxlab-store cannot get it"
	if err != nil || len(dirs) != 5 || dirs[0] != "here" || lines(f.faults) != wantFaults {
		t.Fatalf("%q, %v, want %s; %v", dirs, lines(f.faults), wantFaults, err)
	}
	err = f.rename(errors.New("shard 1 of 2 (" + dirs[1] + ") lacks x; with --out " + dirs[2] + " it is made, " + dirs[3] + "/plan.json, " + dirs[4]))
	if want := "shard 1 of 2 (s3://b/run/1?region=r) lacks x; with --out s3://b/run/2?region=r it is made, file:///st/one/plan.json, oci://r/x:new?plain_http=true"; err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	t.Setenv("PATH", "/nowhere")
	for _, partial := range []bool{false, true} {
		if _, f, err := fetched(t.Context(), s, words[1:2], partial); !errors.Is(err, harness.ErrNotSupported) || strings.Contains(err.Error(), "--allow") || len(f.faults) > 0 {
			t.Errorf("without %s: %v", storeTool, err)
		}
		f.close()
	}
}
