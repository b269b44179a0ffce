// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTakeTurns: a process started after shareProcessor runs on that processor, as a batch thread. Without shareProcessor a process
// inherits the affinity and policy of this one.
func TestTakeTurns(t *testing.T) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	last := 0
	for i := range 1024 {
		if all.IsSet(i) {
			last = i
		}
	}
	placed := startedAs(t, func() { shareProcessor(last) })
	if want := fmt.Sprintf("%d %d", unix.SCHED_BATCH, last); placed != want {
		t.Errorf("placed: policy and processors %s, want %s", placed, want)
	}
	if free := startedAs(t, nil); strings.HasPrefix(free, fmt.Sprint(unix.SCHED_BATCH)) || all.Count() > 1 && free[2:] == fmt.Sprint(last) {
		t.Errorf("not placed: policy and processors %s", free)
	}
}

// startedAs starts a process that says under which policy and on which processors it runs.
func startedAs(t *testing.T, place func()) string {
	t.Helper()
	var out bytes.Buffer
	c := exec.Command("cat", "/proc/self/stat", "/proc/self/status")
	c.Stdout = &out
	ended, err := startOnThread(c, place)
	if err != nil {
		t.Fatal(err)
	}
	<-ended
	stat, status, _ := strings.Cut(out.String(), "\n")
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	const policy = 41 - 3 // proc_pid_stat(5) counts from 1, and the first two are cut off
	_, list, _ := strings.Cut(status, "Cpus_allowed_list:")
	list, _, _ = strings.Cut(list, "\n")
	return fields[policy] + " " + strings.TrimSpace(list)
}
