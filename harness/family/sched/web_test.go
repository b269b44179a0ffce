// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestWebDir: user `nobody` reads the folder that nginx serves and writes only below state. A link of this user in place of a
// file that root writes would have root overwrite the link's target.
func TestWebDir(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to act for nobody")
	}
	dir, err := makeWebDir()
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(dir+webPath, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		argv []string
		ok   bool
	}{
		{[]string{"cat", dir + webPath}, true},
		{[]string{"ln", "-s", "/dev/null", filepath.Join(dir, "state", "pid")}, true},
		{[]string{"ln", "-s", "/dev/null", filepath.Join(dir, "wrk.lua")}, false},
		{[]string{"rm", "-f", dir + webPath}, false},
		{[]string{"mv", filepath.Join(dir, "state"), filepath.Join(dir, "other")}, false},
	} {
		cmd := exec.Command(tt.argv[0], tt.argv[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if out, err := cmd.CombinedOutput(); (err == nil) != tt.ok {
			t.Errorf("as nobody, %q: %v: %s", tt.argv, err, out)
		}
	}
}
