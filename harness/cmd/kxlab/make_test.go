// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fakeSudo stands in for sudo as its manual describes it: the environment is reset but for the variables that are named.
const fakeSudo = `#!/bin/sh
for name in PATH HOME GOPROXY USERS; do
	case "$1" in
	-E | --preserve-env) keep="$keep $name=$(printenv $name)" ;;
	--preserve-env=*) case ",${1#*=}," in *,$name,*) keep="$keep $name=$(printenv $name)" ;; esac ;;
	esac
done
shift
exec /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin $keep "$@"
`

// TestMakeAsRoot: what make runs through sudo sees no folder of the user's PATH and not the user's HOME. Tests find Go.
func TestMakeAsRoot(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed")
	}
	gofile, err := exec.LookPath("go")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"id": "#!/bin/sh\necho 1000\n", "sudo": fakeSudo} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+filepath.Dir(gofile)+":/usr/bin:/bin")
	t.Setenv("HOME", dir)
	t.Setenv("USERS", "own")
	t.Setenv("GOPROXY", "off")
	run := regexp.MustCompile(`(?m)sudo (.*?)(bin/kxlab|'|go test)`)
	for target, needsGo := range map[string]bool{"bench": false, "clean": false, "test": true, "soak": true, "endurance": true} {
		out, err := exec.Command("make", "-n", "-C", "../../..", target).CombinedOutput()
		if err != nil {
			t.Fatalf("make -n %s: %v: %s", target, err, out)
		}
		as := run.FindSubmatch(out)
		if as == nil {
			t.Errorf("%s: nothing runs through sudo: %s", target, out)
			continue
		}
		show := `for v in PATH HOME GOPROXY USERS; do printenv $v || echo; done; command -v go || echo none`
		env, err := exec.Command("sh", "-c", "sudo "+string(as[1])+` sh -c '`+show+`'`).CombinedOutput()
		lines := strings.Split(strings.TrimRight(string(env), "\n"), "\n")
		if len(lines) != 5 {
			t.Fatalf("%s: %v: %s", target, err, env)
		}
		if path := lines[0]; strings.Contains(path, dir) || !strings.Contains(path, "/usr/sbin") {
			t.Errorf("%s: root's PATH is %s", target, path)
		}
		if got := lines[1] + " " + lines[2] + " " + lines[3]; got != "/root off " {
			t.Errorf("%s: HOME, GOPROXY and another variable are %q, want %q", target, got, "/root off ")
		}
		if needsGo && filepath.Base(lines[4]) != "go" {
			t.Errorf("%s: no Go in root's PATH %s", target, lines[0])
		}
	}
}
