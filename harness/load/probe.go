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

// probeRest is the time between an answer and the next question.
const probeRest = 200 * time.Microsecond

// answerTimeout is the time after which a request without an answer counts as failed.
const answerTimeout = 5 * time.Second

// probe asks a server for a page over one connection, again and again, and notes when and how long it took.
func (p *program) probe() (Report, error) {
	var r Report
	conn, err := net.Dial("tcp", p.Addr)
	if err != nil {
		return r, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	question := []byte("GET " + p.Path + " HTTP/1.1\r\nHost: load\r\n\r\n")
	base := time.Now()
	for !p.stopped.Load() && (p.Measure == 0 || time.Since(base) < p.Measure) {
		asked := time.Now()
		if err := ask(conn, in, question); err != nil {
			r.Failed++
			if conn, err = net.Dial("tcp", p.Addr); err != nil {
				return r, fmt.Errorf("connect again: %w", err)
			}
			in = bufio.NewReader(conn)
			continue
		}
		r.At = append(r.At, asked.Sub(base).Seconds())
		r.Took = append(r.Took, time.Since(asked).Seconds())
		sleep(probeRest)
	}
	r.Elapsed, r.Ops = time.Since(base), float64(len(r.At))
	return r, nil
}

// ask sends one question and reads the whole answer.
func ask(conn net.Conn, in *bufio.Reader, question []byte) error {
	if err := conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(question); err != nil {
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
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
