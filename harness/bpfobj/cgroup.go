// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/kxlab/kxlab/harness"
)

// AttachCgroup attaches every program of the object to the site's cgroup, at the hook that the program's section names.
// The site's link, if any, gets the pass program.
//
// Each balancer needs its own cgroup: programs of several balancers in one would run one after another, and the first
// to translate would win.
func AttachCgroup(o *Object, at harness.Site) ([]Place, error) {
	if at.Cgroup == "" {
		return nil, fmt.Errorf("attach %s: the site has no cgroup", o.Name)
	}
	every := func(*ebpf.ProgramSpec) bool { return true }
	return attachEach(o, at, every, func(p *ebpf.Program, spec *ebpf.ProgramSpec) (Place, error) {
		return attachCgroup(p, spec.AttachType, at.Cgroup)
	})
}

func attachCgroup(p *ebpf.Program, where ebpf.AttachType, path string) (*Attachment, error) {
	id, err := programID(p)
	if err != nil {
		return nil, err
	}
	l, err := link.AttachCgroup(link.CgroupOptions{Path: path, Attach: where, Program: p})
	if errors.Is(err, link.ErrNotSupported) {
		return nil, harness.Skip("attach to cgroup: this kernel cannot: %v", err)
	}
	if err != nil {
		return nil, fmt.Errorf("attach to cgroup %s: %w", path, err)
	}
	hook := fmt.Sprintf("%s in cgroup %s", where, path)
	return &Attachment{l, hook, func() error {
		dir, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("open cgroup: %w", err)
		}
		defer dir.Close()
		have, err := link.QueryPrograms(link.QueryOptions{Target: int(dir.Fd()), Attach: where})
		if err != nil {
			return fmt.Errorf("query cgroup %s: %w", path, err)
		}
		return onlyProgram(hook, have.Programs, id)
	}}, nil
}
