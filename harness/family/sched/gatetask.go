// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness/load"
	"github.com/kxlab/kxlab/harness/sys"
)

// gone tells whether an error means that a task has ended.
func gone(err error) bool { return errors.Is(err, unix.ESRCH) || errors.Is(err, fs.ErrNotExist) }

// findThreads returns the numbers of a process's threads by their names, in that order; fewer if not all are there yet.
func findThreads(pid int, threads []load.Thread) ([]int, error) {
	byName := map[string]int{}
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			return nil, err
		}
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/comm", pid, tid))
		if err != nil {
			return nil, err
		}
		byName[strings.TrimSuffix(string(name), "\n")] = tid
	}
	var tids []int
	for _, t := range threads {
		if tid := byName[t.Name]; tid != 0 {
			tids = append(tids, tid)
		}
	}
	return tids, nil
}

// pinTo lets a thread run on these CPUs.
func pinTo(tid int, cpus ...int) error {
	var set unix.CPUSet
	for _, c := range cpus {
		set.Set(c)
	}
	return unix.SchedSetaffinity(tid, &set)
}

// turns are CPUs that a task may run on, others each time: the first, the last, both.
func turns(i int) []int {
	last := runtime.NumCPU() - 1
	return [][]int{{0}, {last}, {0, last}}[i%3]
}

func setNice(tid, nice int) error { return unix.Setpriority(unix.PRIO_PROCESS, tid, nice) }

// setIdle gives a thread the policy SCHED_IDLE, or the ordinary one.
func setIdle(tid int, idle bool) error {
	attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}
	if idle {
		attr.Policy = unix.SCHED_IDLE
	}
	return unix.SchedSetAttr(tid, attr, 0)
}

// gateGroups makes two cgroups with weights of their own below the root, and returns their paths.
func gateGroups() ([]string, error) {
	root, _, err := sys.Cgroup2()
	if err != nil {
		return nil, err
	}
	control := filepath.Join(root, "cgroup.subtree_control")
	raw, err := os.ReadFile(control)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(strings.Fields(string(raw)), "cpu") {
		if err := os.WriteFile(control, []byte("+cpu"), 0); err != nil {
			return nil, fmt.Errorf("give cgroups weights: %w", err)
		}
	}
	paths := []string{filepath.Join(root, "kxgate0"), filepath.Join(root, "kxgate1")}
	for _, p := range paths {
		if err := os.Mkdir(p, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return paths, nil
}

// moveGroup gives a process's cgroup, by turns one of the two, a weight, and moves the process there.
func moveGroup(i, pid int) error {
	paths, err := gateGroups()
	if err != nil {
		return err
	}
	weight := []string{"1", "100", "10000"}[i%3]
	if err := os.WriteFile(filepath.Join(paths[i%2], "cpu.weight"), []byte(weight), 0); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(paths[i%2], "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
}
