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

// tasks is how many threads a process has.
func tasks(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return len(entries)
}

// wrk is the load generator at work.
type wrk struct {
	cmd   *exec.Cmd
	conns int
	out   bytes.Buffer
}

// ask starts wrk against nginx and returns when its threads are there.
func (s *stage) ask(ctx context.Context, w *web, conns int) (_ *wrk, err error) {
	script := filepath.Join(w.dir, "wrk.lua")
	if err := os.WriteFile(script, []byte(wrkScript), 0o644); err != nil {
		return nil, fmt.Errorf("start wrk: %w", err)
	}
	// wrk takes whole seconds: it is stopped earlier, by the signal at which it sums up.
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
	for began := time.Now(); tasks(k.cmd.Process.Pid) <= threads && time.Since(began) < 2*time.Second && ctx.Err() == nil; {
		time.Sleep(time.Millisecond)
	}
	return k, nil
}

// end stops wrk and returns what it says.
func (k *wrk) end() (wrkReport, error) {
	// A signal that comes just before wrk goes to sleep does not wake it: it is sent until it does.
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

// request is what wrk sends.
const request = "GET " + webPath + " HTTP/1.1\r\nHost: " + webAddr + "\r\n\r\n"

// pieces is in how many pieces of data a request and its answer travel, which is the same for all of them. Nothing else may
// be sent in the island meanwhile.
func (s *stage) pieces() (n uint64, err error) {
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
		before, err := dataSent()
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
		after, err := dataSent()
		n = after - before
		return err
	})
	if err == nil && n < 2 {
		err = fmt.Errorf("it took %d pieces of data", n)
	}
	if err != nil {
		return 0, fmt.Errorf("ask nginx once: %w", err)
	}
	return n, nil
}

// dataSent is how many pieces of data TCP sent in the calling thread's network, what was sent again not counted.
func dataSent() (uint64, error) {
	raw, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		return 0, fmt.Errorf("count answers: %w", err)
	}
	return parseNetstat(raw, "TcpExt:", "TCPOrigDataSent")
}
