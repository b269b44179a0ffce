// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

const wrkThreads = 2

// countThreads returns the number of threads of a process.
func countThreads(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return len(entries)
}

// wrk is a running load generator.
type wrk struct {
	cmd   *exec.Cmd
	conns int
	out   bytes.Buffer
}

// startWrk starts wrk against nginx and returns when wrk's threads exist.
func (s *stage) startWrk(ctx context.Context, w *web, conns int) (_ *wrk, err error) {
	script := filepath.Join(w.dir, "wrk.lua")
	if err := os.WriteFile(script, []byte(wrkScript), 0o644); err != nil {
		return nil, fmt.Errorf("start wrk: %w", err)
	}
	// wrk takes whole seconds, so the run is stopped earlier by SIGINT, after which wrk prints its summary.
	k := &wrk{conns: conns}
	threads := min(wrkThreads, conns)
	if k.cmd, err = command(ctx, "wrk", "-t", strconv.Itoa(threads), "-c", strconv.Itoa(conns), "-d", "600s",
		"-s", script, "http://"+webAddr+webPath); err != nil {
		return nil, err
	}
	k.cmd.Stdout, k.cmd.Stderr = &k.out, &k.out
	if err := s.island.Do(k.cmd.Start); err != nil {
		return nil, fmt.Errorf("start wrk: %w", err)
	}
	for began := time.Now(); countThreads(k.cmd.Process.Pid) <= threads && time.Since(began) < 2*time.Second && ctx.Err() == nil; {
		time.Sleep(time.Millisecond)
	}
	return k, nil
}

// stop stops wrk and returns its report.
func (k *wrk) stop() (wrkReport, error) {
	// A signal that arrives just before wrk goes to sleep does not wake wrk, so the signal is repeated until wrk exits.
	ended, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			_ = k.cmd.Process.Signal(os.Interrupt)
			select {
			case <-ended:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	err := k.cmd.Wait()
	close(ended)
	<-gone
	if err != nil {
		return wrkReport{}, fmt.Errorf("run wrk: %w: %s", err, k.out.String())
	}
	return parseWrk(k.out.String(), k.conns)
}

// request is the request that wrk sends.
const request = "GET " + webPath + " HTTP/1.1\r\nHost: " + webAddr + "\r\n\r\n"

// segmentsPerRequest returns the number of TCP segments of a request and its answer, the same for all requests.
// Nothing else may be sent in the island meanwhile.
func (s *stage) segmentsPerRequest() (n uint64, err error) {
	err = s.island.Do(func() error {
		c, err := net.DialTimeout("tcp", webAddr, 10*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		in := bufio.NewReader(c)
		before, err := readSegments()
		if err != nil {
			return err
		}
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		if size, err := io.Copy(io.Discard, answer.Body); err != nil || size != webSize || answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s, %d bytes: %w", answer.Status, size, err)
		}
		after, err := readSegments()
		n = after - before
		return err
	})
	if err == nil && n < 2 {
		err = fmt.Errorf("a request and its answer took %d segments, want at least 2", n)
	}
	if err != nil {
		return 0, fmt.Errorf("send nginx one request: %w", err)
	}
	return n, nil
}

// readSegments returns the number of TCP segments with data sent in the calling thread's network namespace, without
// retransmissions.
func readSegments() (uint64, error) {
	raw, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		return 0, fmt.Errorf("count answers: %w", err)
	}
	return parseNetstat(raw, "TcpExt:", "TCPOrigDataSent")
}
