// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/kxlab/kxlab/harness"
)

// AttachCgroup attaches every program of the object to the site's cgroup, at the hook that its section names. The link,
// if the site has one, gets the XDP program that lets all through.
//
// Programs of several balancers in one cgroup would run one after another, the first to translate winning: each
// balancer needs a cgroup of its own.
func AttachCgroup(o *Object, at harness.Site) (places []Place, err error) {
	if at.Cgroup == "" {
		return nil, fmt.Errorf("attach %s: the site has no cgroup", o.Name)
	}
	stand, err := StandXDP(at)
	if err != nil {
		return nil, err
	}
	places = append(places, stand)
	for _, name := range slices.Sorted(maps.Keys(o.spec.Programs)) {
		spec := o.spec.Programs[name]
		c, err := putCgroup(o.Coll.Programs[name], spec.AttachType, at.Cgroup)
		if err != nil {
			return places, fmt.Errorf("attach %s: program %s (section %s): %w", o.Name, name, spec.SectionName, err)
		}
		places = append(places, c)
	}
	return places, nil
}

// A CgroupPlace is a program on a cgroup.
type CgroupPlace struct {
	Link  link.Link // holds the program there
	where ebpf.AttachType
	path  string
	id    ebpf.ProgramID
}

func putCgroup(p *ebpf.Program, where ebpf.AttachType, path string) (*CgroupPlace, error) {
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
	return &CgroupPlace{Link: l, where: where, path: path, id: id}, nil
}

// InForce asks the cgroup for its own programs.
func (c *CgroupPlace) InForce() error {
	dir, err := os.Open(c.path)
	if err != nil {
		return fmt.Errorf("open cgroup: %w", err)
	}
	defer dir.Close()
	have, err := link.QueryPrograms(link.QueryOptions{Target: int(dir.Fd()), Attach: c.where})
	if err != nil {
		return fmt.Errorf("query cgroup %s: %w", c.path, err)
	}
	return onlyProgram(fmt.Sprintf("%s in cgroup %s", c.where, c.path), have.Programs, c.id)
}

func (c *CgroupPlace) Close() error {
	if err := c.Link.Close(); err != nil {
		return fmt.Errorf("detach from cgroup %s: %w", c.path, err)
	}
	return nil
}
