// SPDX-License-Identifier: Apache-2.0

package sampler

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/profile"
)

//go:noinline
func spinHere(until time.Time) (n int) {
	for time.Now().Before(until) {
		for i := range 1000 {
			n += i
		}
	}
	return n
}

// cpuTime is how long this thread has run.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// start starts a shell that does something for ever, and ends it with the test.
func start(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	return cmd
}

// orphan starts a shell that spins, after commands, and is no child of this process any more.
func orphan(t *testing.T, first string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", "sh -c '"+first+" echo $$; while :; do :; done' &")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var pid int
	if _, serr := fmt.Sscan(line, &pid); err != nil || serr != nil || pid < 2 {
		t.Fatalf("start an orphan: %q: %v, %v", line, err, serr)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	_ = cmd.Wait()
}

// share is the share of a profile's time in stacks that hold all of some frames.
func share(p profile.Profile, frames ...string) float64 {
	sum := 0.
	for _, s := range p.Stacks {
		all := true
		for _, f := range frames {
			all = all && strings.Contains(";"+s.Folded+";", ";"+f+";")
		}
		if all {
			sum += s.Value
		}
	}
	return sum / max(1, p.Total())
}

// TestSample: on this machine a running function, a child and a blocked read are seen with their functions; another's program is not.
func TestSample(t *testing.T) {
	labtest.AsRoot(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s, err := Open(Options{Period: 250 * time.Microsecond, Symbols: true})
	if err != nil {
		t.Fatal(err)
	}
	for range runtime.NumCPU() { // with spinHere there is one task more than CPUs
		start(t, "while :; do :; done")
	}
	orphan(t, "")
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	const length = 600 * time.Millisecond
	s.Begin()
	go func() {
		defer close(read)
		_, _ = syscall.Read(pipe[0], make([]byte, 1))
	}()
	cpu := cpuTime(t)
	spinHere(time.Now().Add(length))
	cpu = cpuTime(t) - cpu
	if _, err := syscall.Write(pipe[1], []byte{1}); err != nil {
		t.Fatal(err)
	}
	<-read
	s.End()
	spinAfter := time.Now()
	spinHere(spinAfter.Add(100 * time.Millisecond)) // is in no window
	stacks, err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	all := profile.Profiles("C", "ns", stacks, profile.Kernel{})
	on, off := all[0], all[1]
	if stacks.Length < length || stacks.Length > length+time.Second || stacks.Windows != 1 {
		t.Errorf("%d windows of %v in all", stacks.Windows, stacks.Length)
	}
	mine := share(on, "sampler.TestSample", "sampler.spinHere") * on.Total()
	if math.Abs(mine-float64(cpu)) > 0.2*float64(cpu)+float64(5*time.Millisecond) {
		t.Errorf("spinHere ran for %v, by its samples for %v: %v", cpu, time.Duration(mine), on.Stacks)
	}
	if share(on, "sh") < 0.01 {
		t.Errorf("the child is not seen: %v", on.Notes)
	}
	if others := find(on.Notes, "of other programs than the lab's"); others == "" {
		t.Errorf("the orphan was not left out: %q", on.Notes)
	}
	if blocked := share(off, "syscall.Read", "schedule_[k]") * off.Total(); blocked < 0.8*float64(length) || blocked > 1.5*float64(length) {
		t.Errorf("the read was blocked for %v of %v: %v", time.Duration(blocked), length, off.Stacks)
	}
	if share(off, "sh", profile.Waits) == 0 {
		t.Error("no child ever waited for a CPU")
	}
	for _, p := range all {
		for _, st := range p.Stacks {
			if strings.Contains(st.Folded, "kx_") || strings.Contains(st.Folded, "no symbol") {
				t.Errorf("%s: %s", p.Kind, st.Folded)
			}
		}
	}
}

// TestGroup: a daemon, which has another parent, is seen by its cgroup, and so is one in a cgroup below. Others are not.
func TestGroup(t *testing.T) {
	labtest.AsRoot(t)
	dir := labtest.BpfCgroup(t)
	below := filepath.Join(dir, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 400 { // until the daemons have ended
			if os.Remove(below) == nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	s, err := Open(Options{Period: 250 * time.Microsecond, Symbols: true, Group: filepath.Base(dir)})
	if err != nil {
		t.Fatal(err)
	}
	orphan(t, "printf other >/proc/self/comm;")
	orphan(t, "printf inside >/proc/self/comm; echo $$ >"+dir+"/cgroup.procs;")
	orphan(t, "printf below >/proc/self/comm; echo $$ >"+below+"/cgroup.procs;")
	s.Begin()
	time.Sleep(600 * time.Millisecond)
	s.End()
	stacks, err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int64{}
	for _, sample := range stacks.OnCPU {
		seen[sample.Task] += sample.Value
	}
	if seen["inside"] == 0 || seen["below"] == 0 || seen["other"] != 0 {
		t.Errorf("samples: %v, want those of inside and below alone", seen)
	}
	if _, err := Open(Options{Period: time.Second, Group: strings.Repeat("x", groupBytes)}); err == nil || !strings.Contains(err.Error(), "more than 63 bytes") {
		t.Errorf("error %v", err)
	}
}

func find(notes []string, text string) string {
	n, _ := harness.Find(notes, func(n string) bool { return strings.Contains(n, text) })
	return n
}

// TestLook: a process is looked at once, and again when its first thread has another name; not for each of its threads.
func TestLook(t *testing.T) {
	s := &Sampler{processes: map[uint32]*process{}}
	pid := uint32(start(t, "while :; do :; done").Process.Pid)
	s.look(pid, pid+1, "thread")
	first := s.processes[pid]
	if first == nil || len(first.mappings) == 0 {
		t.Fatalf("looked at: %+v", first)
	}
	for _, task := range []string{"other", "third"} {
		if s.look(pid, pid+2, task); s.processes[pid] != first {
			t.Errorf("looked at again for its thread %s", task)
		}
	}
	if s.look(pid, pid, "fork"); s.processes[pid] != first {
		t.Error("looked at again for the first name of its first thread")
	}
	if s.look(pid, pid, "sh"); s.processes[pid] == first {
		t.Error("not looked at again after it began another program")
	}
}

// TestNoWindow: without a window nothing is sampled, and a sampler that is closed twice over leaves nothing open.
func TestNoWindow(t *testing.T) {
	labtest.AsRoot(t)
	s, err := Open(Options{Period: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	spinHere(time.Now().Add(50 * time.Millisecond))
	s.End()
	stacks, err := s.Close()
	if err != nil || len(stacks.OnCPU) > 0 || len(stacks.OffCPU) > 0 || stacks.Length != 0 || stacks.Windows != 0 {
		t.Errorf("%v: %+v", err, stacks)
	}
}
