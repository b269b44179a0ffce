// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/harness/sys"
)

// An Iperf is one flow that iperf3 drives, as a load that is independent of ours.
type Iperf struct {
	Server, Client *netlab.Host // sender and receiver of the data
	To             netip.Addr   // of the client
	Algorithm      string
	Duration       time.Duration // whole seconds, at least one
}

// An IperfReport is iperf3's report of its flow.
type IperfReport struct {
	Rate     float64 // bit/s at the receiver
	Sent     int64   // bytes
	Received int64   // bytes
	Resent   int64   // packets
	Segment  int     // bytes of data in a full packet
	RTT      time.Duration
}

// Run runs iperf3. A machine without iperf3 yields an error that wraps harness.ErrNotSupported.
func (i Iperf) Run(ctx context.Context) (IperfReport, error) {
	path, err := sys.LookTool("iperf3", "iperf3")
	if err != nil {
		return IperfReport{}, err
	}
	seconds := max(1, int(math.Round(i.Duration.Seconds())))
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+30*time.Second)
	defer cancel()
	receiver := exec.CommandContext(ctx, path, "--server", "--one-off", "--bind", i.To.String(), "--forceflush")
	output := &firstWrite{done: make(chan struct{})}
	receiver.Stdout, receiver.Stderr = output, output
	if err := i.Client.Do(receiver.Start); err != nil {
		return IperfReport{}, fmt.Errorf("start iperf3: %w", err)
	}
	defer func() { cancel(); _ = receiver.Wait() }()
	select {
	case <-output.done:
	case <-time.After(5 * time.Second):
		return IperfReport{}, fmt.Errorf("start iperf3: no output for 5 s")
	case <-ctx.Done():
		return IperfReport{}, ctx.Err()
	}
	sender := exec.CommandContext(ctx, path, "--client", i.To.String(), "--congestion", i.Algorithm,
		"--time", strconv.Itoa(seconds), "--interval", "0", "--json")
	var out bytes.Buffer
	sender.Stdout = &out
	err = i.Server.Do(sender.Start)
	if err == nil {
		err = sender.Wait()
	}
	report, perr := parseIperf(out.Bytes()) // its error says more than the exit code
	if perr != nil {
		return IperfReport{}, perr
	}
	return report, harness.Wrap(err, "run iperf3")
}

// parseIperf reads what iperf3 writes with --json.
func parseIperf(raw []byte) (IperfReport, error) {
	var j struct {
		Error string
		Start struct {
			Segment int `json:"tcp_mss_default"`
		}
		End struct {
			Streams []struct {
				Sender struct {
					Bytes       int64
					Retransmits int64
					MeanRTT     int64 `json:"mean_rtt"` // µs
				}
			}
			Received struct {
				Bytes int64
				Rate  float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal(raw, &j); err != nil {
		return IperfReport{}, fmt.Errorf("read report of iperf3: %w", err)
	}
	if j.Error != "" {
		return IperfReport{}, fmt.Errorf("run iperf3: %s", j.Error)
	}
	if len(j.End.Streams) != 1 {
		return IperfReport{}, fmt.Errorf("read report of iperf3: %d streams, want 1", len(j.End.Streams))
	}
	s := j.End.Streams[0].Sender
	return IperfReport{
		Rate: j.End.Received.Rate, Received: j.End.Received.Bytes, Sent: s.Bytes, Resent: s.Retransmits,
		Segment: j.Start.Segment, RTT: time.Duration(s.MeanRTT) * time.Microsecond,
	}, nil
}

// firstWrite closes done at the first write.
type firstWrite struct {
	once sync.Once
	done chan struct{}
}

func (f *firstWrite) Write(p []byte) (int, error) {
	f.once.Do(func() { close(f.done) })
	return len(p), nil
}
