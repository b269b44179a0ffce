// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/load"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

const (
	webAddr    = "127.0.0.1:8080" // inside the island
	webPath    = "/page"
	webSize    = 1024 // bytes of the page
	webWorkers = 2
	nobody     = 65534 // uid of nginx: as root, nginx would look a user up by name
)

// webConfig is the configuration of nginx: workers, folder, address.
const webConfig = `worker_processes %d;
daemon off;
pid %[2]s/state/pid;
error_log stderr;
events { worker_connections 1024; }
http {
	access_log off;
	sendfile on;
	open_file_cache max=16;
	keepalive_requests 1000000000;
	client_body_temp_path %[2]s/state/body;
	proxy_temp_path %[2]s/state/proxy;
	fastcgi_temp_path %[2]s/state/fastcgi;
	uwsgi_temp_path %[2]s/state/uwsgi;
	scgi_temp_path %[2]s/state/scgi;
	server { listen %[3]s reuseport; root %[2]s; }
}
`

// command returns a command of this machine. The end of ctx kills its whole process group. A missing tool is a skip.
func command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	path, err := sys.LookTool(name)
	if err != nil {
		return nil, harness.Skip("%v: scripts/setup run installs it", err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd, nil
}

// web is a running nginx in the island.
type web struct {
	cmd    *exec.Cmd
	dir    string
	stderr bytes.Buffer
}

// makeWebDir makes the folder that nginx serves. The folder is root's: a process of `nobody` cannot put a link where root
// writes a file. Only its folder state belongs to `nobody`, for the files of nginx.
func makeWebDir() (dir string, err error) {
	if dir, err = owner.TempDir("web"); err != nil {
		return "", err
	}
	state := filepath.Join(dir, "state")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(state, 0o700), os.Chown(state, nobody, nobody)); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// startNginx starts nginx and returns when nginx answers.
func (s *stage) startNginx(ctx context.Context) (_ *web, err error) {
	w := &web{}
	if w.cmd, err = command(ctx, "nginx"); err != nil {
		return nil, err
	}
	if w.dir, err = makeWebDir(); err != nil {
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
			return nil, fmt.Errorf("start nginx: no answer at its address: %w: %s", errors.Join(err, ctx.Err()), w.stderr.String())
		}
	}
}

// workers returns the worker processes of nginx.
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

// close kills nginx and its workers and removes the folder. nginx need not have been started.
func (w *web) close() error {
	if w.cmd.Process != nil {
		_ = syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL)
		_ = w.cmd.Wait() // killed: the exit state has no meaning
	}
	if err := os.RemoveAll(w.dir); err != nil {
		return fmt.Errorf("remove nginx's folder: %w", err)
	}
	return nil
}

// nginx measures the throughput and latency of nginx under wrk, alone or with busy batch threads. The throughput is
// that of the window, from the kernel's counters; the latencies are wrk's, warm-up included.
func (s *stage) nginx(ctx context.Context, c harness.Cell, b harness.Budget) (out harness.Result, err error) {
	w, err := s.startNginx(ctx)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	segments, err := s.segmentsPerRequest()
	if err != nil {
		return out, err
	}
	batch := number(c, "batch")
	var batchLoad *load.Load
	pid := 0
	if batch > 0 {
		batchLoad, err = load.Start(ctx, load.Spec{Kind: load.Spin, Threads: loadThreads("batch", batch), Seed: b.Seed})
		if err != nil {
			return out, err
		}
		defer batchLoad.Close()
		if err := batchLoad.Go(); err != nil {
			return out, err
		}
		pid = batchLoad.Pid()
	}
	k, err := s.startWrk(ctx, w, number(c, "conns"))
	if err != nil {
		return out, err
	}
	web := append(w.workers(), k.cmd.Process.Pid)
	// wrk's load also runs in the warm-up: an adaptive scheduler has to observe the load.
	warm := b.Warm
	if b.Sampler != nil { // stacks are sampled after the warm-up
		time.Sleep(warm)
		warm = 0
	}
	end := b.Window()
	window, err := s.measureWindow(ctx, web, pid, warm, b.Measure)
	end()
	report, kerr := k.stop()
	if err := errors.Join(err, kerr); err != nil {
		return out, err
	}
	n := window.answers(segments)
	secs := window.duration().Seconds()
	out = harness.Result{Iterations: max(1, int64(n)), Measured: window.duration(), Metrics: s.rates(window.begin.counts, window.end.counts)}
	add(&out, harness.Metric{Unit: "forced-switch/s", Value: float64(window.end.involuntary-window.begin.involuntary) / secs})
	if batch > 0 {
		ops, err := opsPerCPUSecond(batchLoad)
		if err != nil {
			return out, err
		}
		add(&out, harness.Metric{Unit: "batch-op/s", Value: ops * (window.end.batch - window.begin.batch).Seconds() / secs})
	}
	for _, m := range report.metrics() {
		if m.Unit == "req/s" {
			m.Value = n / secs
		}
		add(&out, m)
	}
	if n > 0 {
		add(&out, harness.Metric{Unit: "cpu-ns/req", Value: float64(window.end.web-window.begin.web) / n})
	}
	out.Invalid = window.explainExcess(runtime.NumCPU())
	switch {
	case n == 0:
		out.Invalid = "no request was answered"
	case n > float64(report.requests+int64(2*number(c, "conns"))):
		out.Invalid = fmt.Sprintf("%.0f requests were answered, but wrk got %d answers", n, report.requests)
	}
	out.Series = append(out.Series, cdf("cdf", report.latency))
	return out, nil
}

// opsPerCPUSecond stops busy threads and returns their operations in a second of CPU time, which is constant.
func opsPerCPUSecond(l *load.Load) (float64, error) {
	if err := l.Stop(); err != nil {
		return 0, err
	}
	report, err := l.Wait()
	if err != nil {
		return 0, err
	}
	var run time.Duration
	for _, t := range report.Threads {
		run += t.Run
	}
	if run <= 0 {
		return 0, errors.New("the batch threads did not run")
	}
	return report.Ops / run.Seconds(), nil
}
