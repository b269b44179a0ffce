// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/load"
)

const (
	webAddr    = "127.0.0.1:8080" // inside the island
	webPath    = "/page"
	webSize    = 1024 // bytes of the page
	webWorkers = 2
	wrkThreads = 2
	nobody     = 65534 // whom nginx runs as: it needs no rights, and as root it would look for a user by name
)

// webConfig is nginx's, for a folder.
const webConfig = `worker_processes %d;
daemon off;
pid %[2]s/pid;
error_log stderr;
events { worker_connections 1024; }
http {
	access_log off;
	sendfile on;
	open_file_cache max=16;
	keepalive_requests 1000000000;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	server { listen %[3]s reuseport; root %[2]s; }
}
`

// command makes a command of this machine, ended with its whole process group when ctx is. A missing one is a skip.
func command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath(filepath.Join("/usr/sbin", name)); err != nil {
			return nil, harness.Skip("%s is not here: scripts/setup run installs it", name)
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd, nil
}

// web is nginx at work in the island.
type web struct {
	cmd    *exec.Cmd
	dir    string
	stderr bytes.Buffer
}

// serve starts nginx and returns when it answers.
func (s *schedStage) serve(ctx context.Context) (_ *web, err error) {
	w := &web{}
	if w.cmd, err = command(ctx, "nginx"); err != nil {
		return nil, err
	}
	if w.dir, err = os.MkdirTemp("", "kxlab-web-"); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	config := filepath.Join(w.dir, "nginx.conf")
	err = errors.Join(
		os.WriteFile(config, fmt.Appendf(nil, webConfig, webWorkers, w.dir, webAddr), 0o644),
		os.WriteFile(w.dir+webPath, bytes.Repeat([]byte("x"), webSize), 0o644),
		os.Chown(w.dir, nobody, nobody),
	)
	if err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	w.cmd.Args = append(w.cmd.Args, "-p", w.dir, "-c", config, "-e", "stderr")
	w.cmd.Stderr = &w.stderr
	w.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	if err := s.island.Do(w.cmd.Start); err != nil {
		w.cmd.Process = nil
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		err := s.island.Do(func() error {
			c, err := net.Dial("tcp", webAddr)
			if err != nil {
				return err
			}
			return c.Close()
		})
		if err == nil && len(w.workers()) == webWorkers {
			return w, nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return nil, fmt.Errorf("start nginx: it does not answer: %w: %s", errors.Join(err, ctx.Err()), w.stderr.String())
		}
	}
}

// workers are nginx's worker processes.
func (w *web) workers() []int {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", w.cmd.Process.Pid))
	var out []int
	for f := range strings.FieldsSeq(string(raw)) {
		if pid, err := strconv.Atoi(f); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// forced is how often the workers were put off the CPU without having asked for it.
func (w *web) forced() (sum uint64) {
	for _, pid := range w.workers() {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		n, _ := parseForced(raw)
		sum += n
	}
	return sum
}

// close ends nginx, its workers too, and removes its folder. It may be called on one that has not started.
func (w *web) close() error {
	if w.cmd.Process != nil {
		_ = syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL)
		_ = w.cmd.Wait() // killed: its state says nothing
	}
	if err := os.RemoveAll(w.dir); err != nil {
		return fmt.Errorf("remove nginx's folder: %w", err)
	}
	return nil
}

// tasks is how many threads a process has.
func tasks(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return len(entries)
}

// closed tells whether a channel is; a nil one never is.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// ask runs wrk against nginx for so long, or until done is closed, and returns what it says.
func (s *schedStage) ask(ctx context.Context, conns int, d time.Duration, done <-chan struct{}) (wrkReport, error) {
	// wrk takes whole seconds: it is stopped earlier, by the signal at which it sums up.
	cmd, err := command(ctx, "wrk", "-t", strconv.Itoa(min(wrkThreads, conns)), "-c", strconv.Itoa(conns), "-d", "600s",
		"--latency", "http://"+webAddr+webPath)
	if err != nil {
		return wrkReport{}, err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := s.island.Do(cmd.Start); err != nil {
		return wrkReport{}, fmt.Errorf("start wrk: %w", err)
	}
	for began := time.Now(); tasks(cmd.Process.Pid) <= min(wrkThreads, conns) && time.Since(began) < 2*time.Second; {
		time.Sleep(time.Millisecond) // its threads are still to come
	}
	select {
	case <-time.After(d):
	case <-done:
	case <-ctx.Done():
	}
	// A signal that comes just before wrk goes to sleep does not wake it: it is sent until it does.
	ended := make(chan struct{})
	go func() {
		for !closed(ended) {
			_ = cmd.Process.Signal(os.Interrupt)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	err = cmd.Wait()
	close(ended)
	if err != nil {
		return wrkReport{}, fmt.Errorf("run wrk: %w: %s", err, out.String())
	}
	r, err := parseWrk(out.String())
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.forced = u.Nivcsw
	}
	return r, err
}

// nginx measures the throughput and latency of nginx under wrk, alone or beside threads that compute.
func (s *schedStage) nginx(ctx context.Context, c harness.Cell, b harness.Budget) (out harness.Result, err error) {
	w, err := s.serve(ctx)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	batch := number(c, "batch")
	beside := &load.Load{}
	if batch > 0 {
		beside, err = load.Start(ctx, load.Spec{Kind: load.Spin, Threads: loadThreads("batch", batch), Seed: b.Seed})
		if err != nil {
			return out, err
		}
		defer beside.Close()
		if err := beside.Go(); err != nil {
			return out, err
		}
	}
	// Warm is wrk's load too: a scheduler that learns has to see it.
	if b.Warm > 0 {
		if _, err := s.ask(ctx, number(c, "conns"), b.Warm, nil); err != nil {
			return out, err
		}
	}
	before, err := s.count()
	if err != nil {
		return out, err
	}
	forced := w.forced()
	r, err := s.ask(ctx, number(c, "conns"), b.Measure, nil)
	if err != nil {
		return out, err
	}
	after, err := s.count()
	if err != nil {
		return out, err
	}
	out = harness.Result{Iterations: max(1, r.requests), Measured: r.elapsed, Metrics: s.rates(before, after)}
	add(&out, harness.Metric{Unit: "forced-switch/s", Value: float64(int64(w.forced()-forced)+r.forced) / after.at.Sub(before.at).Seconds()})
	if batch > 0 {
		if err := beside.Stop(); err != nil {
			return out, err
		}
		got, err := beside.Wait()
		if err != nil {
			return out, err
		}
		add(&out, harness.Metric{Unit: "batch-op/s", Value: got.Ops / got.Elapsed.Seconds()})
	}
	add(&out, r.metrics()...)
	if r.requests == 0 {
		out.Invalid = "wrk got no answer"
	}
	return out, nil
}
