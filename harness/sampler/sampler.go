// SPDX-License-Identifier: Apache-2.0

package sampler

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
)

// Options of a Sampler.
type Options struct {
	Period time.Duration // between two samples on a CPU
	// All samples all tasks: the machine is a guest. Else those of this process, of what it started, of cgroups (Group) and of the kernel.
	All bool
	// Group begins the names of the cgroups v2 whose tasks are this process's, too: daemons have another parent. "": none.
	Group string
	// Symbols has the kernel's symbols read, which takes a guest of target exact seconds.
	Symbols bool
}

// pollTime is how often the samples are fetched, and new programs looked at, which may end soon.
const pollTime = 50 * time.Millisecond

// groupBytes is the size of the variable group of the programs.
const groupBytes = 64

// ringBytes is the size of the ring buffer: 4,000 samples of 1 KB on each of 64 CPUs fill it in 60 ms.
const ringBytes = 16 << 20

// A Sampler samples stacks. Its windows are opened and closed by one goroutine.
type Sampler struct {
	options Options
	coll    *ebpf.Collection
	reader  *ringbuf.Reader
	open    []io.Closer
	notes   []string // what cannot be sampled

	mu        sync.Mutex
	samples   map[string]int64 // as they came from the kernel
	processes map[uint32]*process
	self      uint32 // this process, by the kernel's number
	began     time.Time
	length    time.Duration
	windows   uint32
	within    bool // a window is open
	err       error

	stop, stopped chan struct{}
}

var _ harness.Sampler = (*Sampler)(nil)

// Open makes a sampler ready; nothing is sampled yet. If this machine or user can sample neither running nor other tasks, the error
// wraps harness.ErrNotSupported.
func Open(o Options) (_ *Sampler, err error) {
	s := &Sampler{options: o, samples: map[string]int64{}, processes: map[uint32]*process{}, stop: make(chan struct{}), stopped: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if err := s.load(); err != nil {
		return nil, err
	}
	if s.self, err = s.coll.Programs["kx_process"].Run(&ebpf.RunOptions{}); err != nil {
		return nil, harness.Skip("sample stacks: the kernel does not say the number of this process: %v", err)
	}
	if !o.All {
		if err := s.coll.Variables["lab"].Set(s.self); err != nil {
			return nil, fmt.Errorf("set process of sampler: %w", err)
		}
		var group [groupBytes]byte
		if copy(group[:groupBytes-1], o.Group) < len(o.Group) {
			return nil, fmt.Errorf("set cgroups of sampler: %q has more than %d bytes", o.Group, groupBytes-1)
		}
		if err := s.coll.Variables["group"].Set(group); err != nil {
			return nil, fmt.Errorf("set cgroups of sampler: %w", err)
		}
	}
	perr, terr := s.openEvents(), s.openSwitches()
	if perr != nil && terr != nil {
		return nil, harness.Skip("sample stacks: %v; %v", perr, terr)
	}
	if perr != nil {
		s.notes = append(s.notes, "running tasks were not sampled: "+perr.Error())
	}
	if terr != nil {
		s.notes = append(s.notes, "tasks off the CPU were not sampled: "+terr.Error())
	}
	if s.reader, err = ringbuf.NewReader(s.coll.Maps["samples"]); err != nil {
		return nil, fmt.Errorf("read samples: %w", err)
	}
	go s.poll()
	return s, nil
}

// switchPrograms are attached to tracepoints.
func switchPrograms() []string { return []string{"kx_switch", "kx_wakeup"} }

// load loads the programs; those at tracepoints are left out if the kernel refuses them.
func (s *Sampler) load() error {
	var errs []error
	for _, without := range [][]string{nil, switchPrograms()} {
		spec, err := bpf.Open("traffic/stacks")
		if err != nil {
			return err
		}
		for _, name := range without {
			delete(spec.Programs, name)
		}
		spec.Maps["samples"].MaxEntries = ringBytes
		if s.coll, err = ebpf.NewCollection(spec); err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return harness.Skip("sample stacks: load programs: %v", errs[1])
}

// openSwitches attaches the programs at context switches and wakeups.
func (s *Sampler) openSwitches() error {
	for _, name := range switchPrograms() {
		p := s.coll.Programs[name]
		if p == nil {
			return errors.New("the kernel refuses programs at its tracepoints with types (tp_btf)")
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			return fmt.Errorf("attach %s: %w", name, err)
		}
		s.open = append(s.open, l)
	}
	return nil
}

// Begin opens a window.
func (s *Sampler) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.windows++
	s.began, s.within = time.Now(), true
	s.err = errors.Join(s.err, s.coll.Variables["window"].Set(s.windows))
}

// End closes the window.
func (s *Sampler) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.within {
		return
	}
	s.err = errors.Join(s.err, s.coll.Variables["window"].Set(uint32(0)))
	s.length += time.Since(s.began)
	s.within = false
	s.fetch()
}

// poll fetches samples until the sampler is closed.
func (s *Sampler) poll() {
	defer close(s.stopped)
	tick := time.NewTicker(pollTime)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.mu.Lock()
			s.fetch()
			s.mu.Unlock()
		}
	}
}

// Close closes a window that a trial left open, and returns what was sampled.
func (s *Sampler) Close() (out harness.Stacks, err error) {
	s.End()
	close(s.stop)
	<-s.stopped
	for _, c := range s.open { // first, so that nothing comes any more
		s.err = errors.Join(s.err, c.Close())
	}
	s.open = nil
	s.fetch()
	out, err = s.stacks()
	return out, errors.Join(s.err, err, s.release())
}

// release closes all that is open.
func (s *Sampler) release() error {
	var errs []error
	for _, c := range slices.Backward(s.open) {
		errs = append(errs, c.Close())
	}
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.coll != nil {
		s.coll.Close()
	}
	return errors.Join(errs...)
}

// fetch takes the samples out of the ring buffer. The lock is held.
func (s *Sampler) fetch() {
	s.reader.SetDeadline(time.Now())
	var r ringbuf.Record
	for {
		err := s.reader.ReadInto(&r)
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				s.err = errors.Join(s.err, fmt.Errorf("read samples: %w", err))
			}
			return
		}
		s.samples[string(r.RawSample)]++
		if head, _, ok := parseSample(r.RawSample); ok {
			s.look(head.Tgid, head.Pid, taskOf(head.Task))
		}
	}
}

// lostNotes say what the programs could not sample or read.
func (s *Sampler) lostNotes() ([]string, error) {
	var lost [abi.StackLosses]uint64
	if err := s.coll.Variables["lost"].Get(&lost); err != nil {
		return nil, fmt.Errorf("read losses of sampler: %w", err)
	}
	return lossNotes(lost), nil
}

// lossNotes are the counts of losses in words.
func lossNotes(lost [abi.StackLosses]uint64) (out []string) {
	for why, loss := range map[int]struct{ noun, text string }{
		abi.StackLostRing:    {"sample", "%s lost: the ring buffer was full"},
		abi.StackLostKernel:  {"sample", "%s in which the kernel's stack could not be read"},
		abi.StackLostUser:    {"sample", "%s in which the program's stack could not be read"},
		abi.StackLostOthers:  {"sample", "%s of other programs than the lab's left out"},
		abi.StackLostBlocked: {"time", "%s that a task left the CPU lost: a map was full"},
		abi.StackLostIds:     {"stack", "%s of tasks that left the CPU lost: no id"},
	} {
		if n := lost[why]; n > 0 {
			out = append(out, fmt.Sprintf(loss.text, harness.Plural(int(n), loss.noun)))
		}
	}
	slices.Sort(out)
	return out
}
