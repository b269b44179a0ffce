// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	probeRest       = 200 * time.Microsecond // between a response and the next request
	responseTimeout = 5 * time.Second        // after which a request without a response counts as failed
)

// probe requests a page from a server over one connection repeatedly, and records the times and the latencies.
func (p *program) probe() (Report, error) {
	var r Report
	conn, err := net.Dial("tcp", p.Addr)
	if err != nil {
		return r, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	request := []byte("GET " + p.Path + " HTTP/1.1\r\nHost: load\r\n\r\n")
	base := time.Now()
	r.Began = nanotime()
	for !p.stopped.Load() && (p.Measure == 0 || time.Since(base) < p.Measure) {
		begin := time.Now()
		if err := get(conn, in, request); err != nil {
			r.Failed++
			if conn, err = net.Dial("tcp", p.Addr); err != nil {
				return r, fmt.Errorf("connect again: %w", err)
			}
			in = bufio.NewReader(conn)
			continue
		}
		r.At = append(r.At, begin.Sub(base).Seconds())
		r.Took = append(r.Took, time.Since(begin).Seconds())
		sleep(probeRest)
	}
	r.Elapsed, r.Ops = time.Since(base), float64(len(r.At))
	return r, nil
}

// get sends one request and reads the whole response.
func get(conn net.Conn, in *bufio.Reader, request []byte) error {
	if err := conn.SetDeadline(time.Now().Add(responseTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get page: status %s", resp.Status)
	}
	return nil
}
