// SPDX-License-Identifier: Apache-2.0

package sampler

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// An event is an open perf event.
type event int

func (e event) Close() error { return unix.Close(int(e)) }

// openEvents opens a perf event of the CPU clock on each CPU, which calls the program once a period.
func (s *Sampler) openEvents() error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	opened := 0
	for cpu := range cpus {
		attr := unix.PerfEventAttr{
			Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK, Sample: uint64(s.options.Period),
			Bits: unix.PerfBitDisabled,
		}
		fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		switch {
		case errors.Is(err, unix.ENODEV): // the CPU is offline
			continue
		case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
			return fmt.Errorf("this user may not open perf events (kernel.perf_event_paranoid, or a container's filter): %w", err)
		case err != nil:
			return fmt.Errorf("open perf event on CPU %d: %w", cpu, err)
		}
		s.open = append(s.open, event(fd))
		err = unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_BPF, s.coll.Programs["kx_sample"].FD())
		if err == nil {
			err = unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0)
		}
		if err != nil {
			return fmt.Errorf("attach to perf event on CPU %d: %w", cpu, err)
		}
		opened++
	}
	if opened == 0 {
		return errors.New("no CPU has perf events")
	}
	return nil
}
