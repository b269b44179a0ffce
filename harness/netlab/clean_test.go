// SPDX-License-Identifier: Apache-2.0

package netlab

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// childEnv makes the test binary build a segment and wait to be killed.
const childEnv = "KXLAB_TEST_SEGMENT"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := child(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// child builds a segment, starts a process inside it and a thread in its cgroup, says so and waits for ever.
func child() error {
	s, err := New(context.Background(), Options{Reals: 2})
	if err != nil {
		return err
	}
	if _, err := s.AddBalancer(context.Background()); err != nil {
		return err
	}
	joined := make(chan error)
	go func() {
		runtime.LockOSThread()
		joined <- JoinCgroup(s.Cgroup)
		select {}
	}()
	if err := <-joined; err != nil {
		return err
	}
	sleep := exec.Command("sleep", "1000")
	if err := s.Client.Do(sleep.Start); err != nil {
		return err
	}
	fmt.Println("ready", sleep.Process.Pid)
	time.Sleep(time.Hour) // not select: the runtime ends a process of which every goroutine waits for ever
	return nil
}

// TestCleanAfterKill kills a process that built a segment, and wants Clean to remove it and nothing else. Every run of the lab on this
// machine begins with Clean: if another one was first, the test begins anew.
func TestCleanAfterKill(t *testing.T) {
	live := newSegment(t, Options{Reals: 1}, 0)
	before := count(traces(t), owner.Prefix+owner.Self())
	const tries, want = 5, 6 // fabric, client, 2 reals, balancer; cgroup
	for try := 1; ; try++ {
		removed := cleanAfterKill(t, want)
		if len(removed) == want {
			break
		}
		if try == tries {
			t.Fatalf("removed %q in the last of %d tries: %d of the dead owner, want %d", removed, tries, len(removed), want)
		}
	}
	if n := count(traces(t), owner.Prefix+owner.Self()); n != before {
		t.Errorf("of this process %d traces are left, before %d", n, before)
	}
	if err := live.Client.Do(func() error { return reach(live.Reals[0].Addr4.Addr()) }); err != nil {
		t.Errorf("the live segment is broken: %v", err)
	}
}

// cleanAfterKill starts an owner, kills it, cleans, and returns the traces of the owner, of which there were so many, that Clean says it
// removed. None may be left.
func cleanAfterKill(t *testing.T, want int) (removed []string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	var inside int
	if _, err := fmt.Sscanf(line, "ready %d", &inside); err != nil {
		t.Fatalf("child said %q", line)
	}
	made := fmt.Sprintf("%s%d-", owner.Prefix, cmd.Process.Pid)
	// While it lives it is left alone.
	if removed, err := Clean(t.Context()); err != nil || count(removed, made) != 0 {
		t.Errorf("clean removed %q of a live owner (%v)", removed, err)
	}
	if n := count(traces(t), made); n != want {
		t.Errorf("%d traces of the live owner, want %d", n, want)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	_, alone := os.Stat(fmt.Sprintf("/proc/%d", inside))
	all, err := Clean(t.Context())
	if err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		if state, err := startTime(inside); err != nil || state == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Error("the process inside is still alive")
			break
		}
	}
	if count(traces(t), made) != 0 {
		t.Errorf("left after clean: %q", traces(t))
	}
	for _, name := range all {
		if strings.Contains(name, made) {
			removed = append(removed, name)
		}
	}
	if alone != nil && len(removed) == want {
		t.Fatal("the process inside died with its owner: the test shows nothing")
	}
	return removed
}

// TestCleanTemp: temporary folders of a dead owner go, those of this process stay.
func TestCleanTemp(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	live, err := owner.TempDir("compile")
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(os.TempDir(), owner.Prefix+"4194305-1-temp.compile-1") // no process has such a number
	if err := os.Mkdir(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	removed, err := Clean(t.Context())
	if err != nil || !slices.Contains(removed, dead) || slices.Contains(removed, live) {
		t.Errorf("removed %q, %v; want %s", removed, err, dead)
	}
}

// traces are the names of namespaces, mounts and cgroups of the lab.
func traces(t *testing.T) []string {
	t.Helper()
	mount, _, _ := sys.Cgroup2()
	var all []string
	for _, dir := range []string{nsDir, mount} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), owner.Prefix) {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	return all
}

func count(names []string, part string) (n int) {
	for _, name := range names {
		if strings.Contains(name, part) {
			n++
		}
	}
	return n
}

// TestNothingLeft compares this process and the namespace it lives in before and after a segment that was used.
func TestNothingLeft(t *testing.T) {
	needRoot(t)
	build := func() {
		s, err := New(t.Context(), Options{Reals: 2})
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.AddBalancer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Select(b, true); err != nil {
			t.Fatal(err)
		}
		n, err := s.Client.Thread(0)
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		sys.OnThread(func() { err = JoinCgroup(s.Cgroup) })
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	}
	build() // what the Go runtime opens once
	before := snapshot(t)
	for range 3 {
		build()
	}
	if diff := cmp.Diff(before, snapshot(t)); diff != "" {
		t.Errorf("left behind or changed (-before +after):\n%s", diff)
	}
	if n := count(traces(t), owner.Self()); n != 0 {
		t.Errorf("left: %q", traces(t))
	}
}

// snapshot is what a run must not change: descriptors, own cgroup, links, addresses, routes, rules, sysctls.
func snapshot(t *testing.T) map[string]string {
	t.Helper()
	s := map[string]string{}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	s["descriptors"] = fmt.Sprint(len(fds))
	cgroup, _ := os.ReadFile("/proc/self/cgroup")
	s["cgroup"] = string(cgroup)
	for _, args := range []string{"-o link", "-o addr", "route show table all", "-6 route show table all", "rule", "-6 rule", "neigh show nud permanent"} {
		out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
		s["ip "+args] = string(out)
	}
	_ = filepath.WalkDir("/proc/sys/net", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "/flush") || strings.HasSuffix(path, "_entries_count") ||
			strings.HasSuffix(path, "nf_conntrack_count") || strings.HasSuffix(path, "stable_secret") {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err == nil {
			s[path] = string(raw)
		}
		return nil
	})
	return s
}

func TestNames(t *testing.T) {
	pid, start, role, ok := owner.Parse(owner.Prefix + owner.Self() + "-real3.2")
	own, err := startTime(os.Getpid())
	if err != nil || !ok || pid != os.Getpid() || start != own || role != "real3.2" {
		t.Errorf("parsed %d %d %q %v, want %d %d (%v)", pid, start, role, ok, os.Getpid(), own, err)
	}
	for name, want := range map[string]bool{
		owner.Prefix + owner.Self():                   false,
		owner.Prefix + owner.Self() + "-client":       false,
		fmt.Sprintf("kxlab-%d-1-client", os.Getpid()): true, // the number is in use again
		"kxlab-4194999-77-client":                     true,
		"kxlab-4194999-77":                            true,
		"kxlab-x-77-client":                           false, // not ours
		"kxlab-":                                      false,
		"kxlab-12":                                    false,
		"other-4194999-77-client":                     false,
	} {
		if got := owner.Dead(name); got != want {
			t.Errorf("Dead(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		role   Role
		i      int
		v4, v6 string
		mac    string
	}{
		{RoleClient, 0, "198.18.0.1/16", "2001:2::1/64", "02:4b:58:00:00:00"},
		{RoleBalancer, 0, "198.18.0.10/16", "2001:2::10/64", "02:4b:58:01:00:00"},
		{RoleBalancer, 239, "198.18.0.249/16", "2001:2::ff/64", "02:4b:58:01:00:ef"},
		{RoleReal, 0, "198.18.1.1/16", "2001:2::1:1/64", "02:4b:58:02:00:00"},
		{RoleReal, 249, "198.18.1.250/16", "2001:2::1:fa/64", "02:4b:58:02:00:f9"},
	} {
		v4, v6 := Addresses(tt.role, tt.i)
		if v4 != netip.MustParsePrefix(tt.v4) || v6 != netip.MustParsePrefix(tt.v6) || MAC(tt.role, tt.i).String() != tt.mac {
			t.Errorf("role %d host %d: %s %s %s", tt.role, tt.i, v4, v6, MAC(tt.role, tt.i))
		}
	}
	if got := VIP(4, 29999).String(); got != "198.19.245.47" {
		t.Errorf("last VIP %s", got)
	}
	if got := VIP(6, 0x1234).String(); got != "2001:2:0:2::1234" {
		t.Errorf("VIP %s", got)
	}
	if got := Source(4, 1<<15).String(); got != "198.19.0.0" {
		t.Errorf("source after the last %s", got)
	}
}

func startTime(pid int) (uint64, error) { return owner.StartTime(pid) }
