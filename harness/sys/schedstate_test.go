// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
)

func TestReadSchedState(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadSchedState(dir); !errors.Is(err, harness.ErrNotSupported) || !strings.Contains(err.Error(), "CONFIG_SCHED_CLASS_EXT") || strings.Contains(err.Error(), "--target") {
		t.Errorf("no sched_ext: %v", err)
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("state", "enabled\n")
	write("enable_seq", "7\n")
	write("root/ops", "kxlab.x.1.7\n")
	got, err := ReadSchedState(dir)
	if want := (SchedState{"enabled", "kxlab.x.1.7", 7}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	write("enable_seq", "many\n")
	if _, err := ReadSchedState(dir); err == nil {
		t.Error("a word for a number was taken")
	}
	events := parseSchedEvents("SCX_EV_SELECT_CPU_FALLBACK 3\nSCX_EV_REFILL_SLICE_DFL 40\nother 1\nSCX_EV_BAD x\n\n")
	if diff := cmp.Diff(map[string]uint64{"ev_select_cpu_fallback": 3, "ev_refill_slice_dfl": 40}, events); diff != "" {
		t.Error(diff)
	}
}
