// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// registerTries is how often another name is tried because somebody took the last one in between.
const registerTries = 5

// A bpfCC is a congestion control in BPF that is registered with the kernel, for the whole machine, by a name of its own.
// The registration lives as long as the link, which dies with the process.
type bpfCC struct {
	name  string
	types *btf.Cache
	now   *bpfobj.CcInstance
	link  link.Link
}

// newStructOps loads a variant's object and registers its congestion control.
func newStructOps(a *bpfobj.Loader, v harness.Variant) (congestionControl, error) {
	for try := 1; ; try++ {
		o, err := bpfobj.OpenCC(v)
		if err != nil {
			return nil, err
		}
		base, err := o.Name()
		if err != nil {
			return nil, err
		}
		if err := checkCCBase(base); err != nil {
			return nil, fmt.Errorf("read %s: %w", v.Object, err)
		}
		taken, err := availableCC()
		if err != nil {
			return nil, err
		}
		name, err := ccName(base, taken)
		if err != nil {
			return nil, err
		}
		c, err := registerCC(a.Types, o, name, v.Knobs)
		if errors.Is(err, unix.EEXIST) && try < registerTries {
			continue
		}
		if err != nil {
			return nil, err
		}
		a.Log(fmt.Sprintf("%s: %s registered as %s", v.Name, v.Object, name))
		return c, nil
	}
}

// registerCC loads the operations and registers them by the name.
func registerCC(types *btf.Cache, o *bpfobj.OpsStruct, name string, knobs []harness.Knob) (*bpfCC, error) {
	i, err := bpfobj.LoadCC(types, o, name, knobs)
	if err != nil {
		return nil, err
	}
	l, err := link.AttachStructOps(link.StructOpsOptions{Map: i.Ops})
	if err != nil {
		return nil, errors.Join(explainRegister(o.Object, name, err), i.Close())
	}
	return &bpfCC{name: name, types: types, now: i, link: l}, nil
}

// explainRegister says in words what the kernel says in numbers.
func explainRegister(object, name string, err error) error {
	switch {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("register %s: a congestion control of the name %s is there already: %w", object, name, err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("register %s as %s: the kernel does not take these operations: %w", object, name, err)
	}
	return fmt.Errorf("register %s as %s: %w", object, name, err)
}

func (c *bpfCC) Algorithm() string { return c.name }

// Replace updates the link: sockets that ask for the name from now on get the new operations.
func (c *bpfCC) Replace(ctx context.Context, v harness.Variant) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("replace %s: %w", c.name, err)
	}
	if c.link == nil {
		return fmt.Errorf("replace %s: it is closed", c.name)
	}
	if v.Attach != "struct_ops" {
		return harness.Skip("replace %s by %s: it is attached by %q, not by struct_ops", c.name, v.Name, v.Attach)
	}
	o, err := bpfobj.OpenCC(v)
	if err != nil {
		return fmt.Errorf("replace %s: %w", c.name, err)
	}
	next, err := bpfobj.LoadCC(c.types, o, c.name, v.Knobs)
	if err != nil {
		return fmt.Errorf("replace %s: %w", c.name, err)
	}
	fd, err := linkFD(c.link)
	if err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", c.name, err), next.Close())
	}
	if err := updateStructOps(fd, next.Ops, c.now.Ops); err != nil {
		return errors.Join(fmt.Errorf("replace %s: %w", c.name, err), next.Close())
	}
	old := c.now
	c.now = next
	return old.Close()
}

// InForce returns an error unless the kernel lists the name and what is registered are the present operations.
func (c *bpfCC) InForce() error {
	if c.link == nil {
		return fmt.Errorf("check %s: it is closed", c.name)
	}
	names, err := availableCC()
	if err != nil {
		return err
	}
	if !slices.Contains(names, c.name) {
		return fmt.Errorf("check %s: the kernel does not list it any more", c.name)
	}
	fd, err := linkFD(c.link)
	if err != nil {
		return fmt.Errorf("check %s: %w", c.name, err)
	}
	id, err := structOpsMapID(fd)
	if err != nil {
		return fmt.Errorf("check %s: %w", c.name, err)
	}
	if id != c.now.Id {
		return fmt.Errorf("check %s: map %d is registered, not %d", c.name, id, c.now.Id)
	}
	return nil
}

// Counters give the number of sockets that use the present operations, and the object's own counts.
func (c *bpfCC) Counters() (map[string]uint64, error) {
	n, err := c.now.Users()
	if err != nil {
		return nil, err
	}
	out, err := c.now.Stats()
	if err != nil {
		return nil, err
	}
	out["sockets"] = n - min(n, 1) // the registration counts as well
	return out, nil
}

// Close takes the name away. Sockets that use the operations go on with them. A second call does nothing.
func (c *bpfCC) Close() error {
	if c.link == nil {
		return nil
	}
	err := c.link.Close()
	c.link = nil
	return errors.Join(err, c.now.Close())
}

func linkFD(l link.Link) (int, error) {
	f, ok := l.(interface{ FD() int })
	if !ok {
		return 0, errors.New("the library hides the link's descriptor")
	}
	return f.FD(), nil
}

// updateStructOps is bpf(BPF_LINK_UPDATE), which the library does not do for struct_ops: next takes the place of old, or
// the call fails.
func updateStructOps(fd int, next, old *ebpf.Map) error {
	attr := struct{ link, next, flags, old uint32 }{uint32(fd), uint32(next.FD()), unix.BPF_F_REPLACE, uint32(old.FD())}
	_, _, e := unix.Syscall(unix.SYS_BPF, unix.BPF_LINK_UPDATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(next)
	runtime.KeepAlive(old)
	switch e {
	case 0:
		return nil
	case unix.EINVAL, unix.EOPNOTSUPP:
		return harness.Skip("update link: this kernel does not replace operations in place: %v", e)
	}
	return fmt.Errorf("update link: %w", e)
}

// structOpsMapID returns the map whose operations a link has registered; 0: none any more.
func structOpsMapID(fd int) (ebpf.MapID, error) {
	var info [64]byte // struct bpf_link_info: type, id, program, padding, and here the map
	attr := struct {
		fd, size uint32
		info     uint64
	}{uint32(fd), uint32(len(info)), uint64(uintptr(unsafe.Pointer(&info)))}
	_, _, e := unix.Syscall(unix.SYS_BPF, unix.BPF_OBJ_GET_INFO_BY_FD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(&info)
	if e != 0 {
		return 0, fmt.Errorf("read link info: %w", e)
	}
	return ebpf.MapID(binary.NativeEndian.Uint32(info[16:])), nil
}
