// SPDX-License-Identifier: Apache-2.0

package host

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kxlab/kxlab/harness/sys"
)

func TestParseSteal(t *testing.T) {
	for _, tt := range []struct {
		stat string
		want time.Duration
		bad  bool
	}{
		{stat: "cpu  31458 0 10040 624196 1069 0 279 5261 0 0\ncpu0 1 2 3\n", want: 52610 * time.Millisecond},
		{stat: "cpu  1 2 3\n", bad: true},
		{stat: "cpu  1 2 3 4 5 6 7 x 0 0\n", bad: true},
		{stat: "", bad: true},
	} {
		got, err := sys.ParseSteal(tt.stat)
		if got != tt.want || (err != nil) != tt.bad {
			t.Errorf("%q: got %v, %v", tt.stat, got, err)
		}
	}
}

func TestParseCgroup2(t *testing.T) {
	const mounts = "24 1 0:22 / /sys/fs/cgroup ro - tmpfs none rw\n" +
		`30 24 0:28 / /sys/fs/cgroup/my\040tree rw,relatime shared:5 master:1 - cgroup2 none rw` + "\n"
	if got, root, err := sys.ParseCgroup2(mounts); got != "/sys/fs/cgroup/my tree" || root != "/" || err != nil {
		t.Errorf("got %q, root %q, %v", got, root, err)
	}
	if got, _, err := sys.ParseCgroup2("24 1 0:22 / /cgroup2 rw - cgroup cgroup2 rw\n"); err == nil {
		t.Errorf("cgroup v1 taken for v2: %q", got)
	}
}

func TestParseConfig(t *testing.T) {
	got := parseConfig(strings.NewReader("# CONFIG_A is not set\nCONFIG_HZ=250\nCONFIG_B=\"x y\"\n#CONFIG_C=y\n"))
	if len(got) != 2 || got["CONFIG_HZ"] != "250" || got["CONFIG_B"] != "x y" {
		t.Errorf("got %v", got)
	}
}

func TestReadFacts(t *testing.T) {
	f, err := ReadFacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.Kernel == "" || f.CPU == "" || f.CPUs < 1 || f.MemBytes < 1<<20 || f.Settings["kernel_build"] == "" {
		t.Errorf("%+v", f)
	}
	if strings.TrimSpace(f.CPU) != f.CPU || strings.ContainsAny(f.CPU, "\n\t") {
		t.Errorf("CPU %q would break a line of the record", f.CPU)
	}
}

// TestToolsWithoutSbin: doctor finds the same tools whatever the PATH.
func TestToolsWithoutSbin(t *testing.T) {
	want, err := ReadFacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	got, err := ReadFacts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(want.Tools, got.Tools) {
		t.Errorf("tools %v without a PATH, %v with one", got.Tools, want.Tools)
	}
}

// Probing leaves nothing behind in the namespace of the caller.
func TestProbe(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	before := links(t)
	rows, err := Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after := links(t); !slices.Equal(before, after) {
		t.Errorf("links before %q, after %q", before, after)
	}
	for _, r := range rows {
		t.Logf("%+v", r)
		if r.What == "" || r.For == "" || r.Target == "" || !r.OK && (r.Detail == "" || r.Target == "host" && r.Fix == "") {
			t.Errorf("row without a word of help: %+v", r)
		}
		// Vital rows are OK on every machine where root is not confined.
		if vital := r.Target == "host" && r.Vital; vital && !r.OK {
			t.Errorf("cannot do what everything needs: %+v", r)
		}
	}
}

func links(t *testing.T) []string {
	t.Helper()
	ls, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range ls {
		names = append(names, l.Attrs().Name)
	}
	return names
}
