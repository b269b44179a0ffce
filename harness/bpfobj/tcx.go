// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// AttachTCX attaches the object's tc programs to the site's link, each at the hook that its section names, by default
// ingress. The link also gets the pass program.
func AttachTCX(o *Object, at harness.Site) ([]Place, error) {
	tc := func(spec *ebpf.ProgramSpec) bool { return spec.Type == ebpf.SchedCLS }
	places, err := attachEach(o, at, tc, func(p *ebpf.Program, spec *ebpf.ProgramSpec) (Place, error) {
		if spec.AttachType == ebpf.AttachTCXEgress {
			return attachTCX(p, ebpf.AttachTCXEgress, at)
		}
		return attachTCX(p, ebpf.AttachTCXIngress, at)
	})
	if err == nil && len(places) == 1 {
		err = fmt.Errorf("attach %s: it has no tc program", o.Name)
	}
	return places, err
}

func attachTCX(p *ebpf.Program, where ebpf.AttachType, at harness.Site) (*Attachment, error) {
	id, err := programID(p)
	if err != nil {
		return nil, err
	}
	var l link.Link
	err = sys.InNS(at.NS, func() (err error) {
		l, err = link.AttachTCX(link.TCXOptions{Interface: at.Ifindex, Program: p, Attach: where})
		return err
	})
	if errors.Is(err, link.ErrNotSupported) {
		return nil, harness.Skip("attach tcx to %s: this kernel has no tcx: %v", at.Link, err)
	}
	if err != nil {
		return nil, fmt.Errorf("attach tcx to %s: %w", at.Link, err)
	}
	hook := "tcx on " + at.Link
	return &Attachment{l, hook, func() error {
		return sys.InNS(at.NS, func() error {
			have, err := link.QueryPrograms(link.QueryOptions{Target: at.Ifindex, Attach: where})
			if err != nil {
				return fmt.Errorf("query tcx of %s: %w", at.Link, err)
			}
			return onlyProgram(hook, have.Programs, id)
		})
	}}, nil
}
