// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/netlab"
)

// A sink stands at the fabric's side of a link and judges each numbered packet (bpf/swap/sink.bpf.c).
type sink struct {
	port *netlab.Port
	coll *ebpf.Collection
}

// openSink puts a sink with empty counters at a port. It reads its clock once for so many packets, a power of two.
func openSink(port *netlab.Port, clockPackets uint32) (*sink, error) {
	spec, err := bpf.Open("swap/sink")
	if err != nil {
		return nil, err
	}
	if err := spec.Variables["clock_packets"].Set(clockPackets); err != nil {
		return nil, fmt.Errorf("set clock of sink: %w", err)
	}
	s := &sink{port: port}
	if s.coll, err = ebpf.NewCollection(spec); err != nil {
		return nil, fmt.Errorf("load sink: %w", err)
	}
	if err := port.SetXDP(s.coll.Programs["sink"]); err != nil {
		s.coll.Close()
		return nil, err
	}
	return s, nil
}

// count reads what has been received, without a system call.
func (s *sink) count() (c abi.SwapCount, err error) {
	return c, harness.Wrap(s.coll.Variables["count"].Get(&c), "read sink")
}

// seen reads what has been received of each generation.
func (s *sink) seen() ([]abi.SwapSeen, error) {
	all := make([]abi.SwapSeen, abi.SwapGenerations)
	return all, harness.Wrap(s.coll.Variables["seen"].Get(all), "read generations of sink")
}

// close makes the port pass all frames again.
func (s *sink) close() error {
	err := s.port.SetXDP(nil)
	s.coll.Close()
	return err
}
