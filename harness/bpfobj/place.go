// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/kxlab/kxlab/harness"
)

// A Place is a program attached to a hook. It stays attached until Close, at most as long as this process lives.
type Place interface {
	io.Closer
	// InForce returns an error if the kernel no longer runs this program there.
	InForce() error
}

// A Hook attaches the programs of a loaded object at a site. On error it returns the places attached so far.
type Hook func(o *Object, at harness.Site) ([]Place, error)

// An Attachment is a program that a BPF link holds at a hook.
type Attachment struct {
	Link    link.Link
	hook    string       // "tcx on NAME", for errors
	inForce func() error // see Place
}

func (a *Attachment) InForce() error { return a.inForce() }

func (a *Attachment) Close() error {
	if err := a.Link.Close(); err != nil {
		return fmt.Errorf("detach %s: %w", a.hook, err)
	}
	return nil
}

// attachEach attaches the pass program to the site's link, then each of the object's programs that selected selects, in
// the order of their names.
func attachEach(o *Object, at harness.Site, selected func(*ebpf.ProgramSpec) bool,
	attach func(*ebpf.Program, *ebpf.ProgramSpec) (Place, error)) ([]Place, error) {
	pass, err := AttachPass(at)
	if err != nil {
		return nil, err
	}
	places := []Place{pass}
	for _, name := range slices.Sorted(maps.Keys(o.spec.Programs)) {
		spec := o.spec.Programs[name]
		if !selected(spec) {
			continue
		}
		p, err := attach(o.Coll.Programs[name], spec)
		if err != nil {
			return places, fmt.Errorf("attach %s: program %s (section %s): %w", o.Name, name, spec.SectionName, err)
		}
		places = append(places, p)
	}
	return places, nil
}

// onlyProgram returns an error unless have is the program id alone: another program would change the measurement.
func onlyProgram(hook string, have []link.AttachedProgram, id ebpf.ProgramID) error {
	if !slices.ContainsFunc(have, func(p link.AttachedProgram) bool { return p.ID == id }) {
		return fmt.Errorf("%s: detached (%d programs there)", hook, len(have))
	}
	if len(have) != 1 {
		return fmt.Errorf("%s: %d programs run there, want one", hook, len(have))
	}
	return nil
}

// programID returns the kernel's id of a program.
func programID(p *ebpf.Program) (ebpf.ProgramID, error) {
	info, err := p.Info()
	if err != nil {
		return 0, fmt.Errorf("read program info: %w", err)
	}
	id, ok := info.ID()
	if !ok {
		return 0, harness.Skip("read program info: this kernel gives programs no ids")
	}
	return id, nil
}
