// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// registerTries is the number of names tried: another process may register a name first.
const registerTries = 5

// A bpfCC is a BPF congestion control, registered for the whole machine under a name of its own. The registration
// lasts as long as the link, which the kernel closes when the process exits.
type bpfCC struct {
	name     string
	types    *btf.Cache
	instance *bpfobj.CcInstance
	link     link.Link
}

// newStructOps loads a variant's object and registers its congestion control.
func newStructOps(a *bpfobj.Loader, v harness.Variant) (CongestionControl, error) {
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
	return &bpfCC{name: name, types: types, instance: i, link: l}, nil
}

// explainRegister adds the cause to the kernel's error number.
func explainRegister(object, name string, err error) error {
	cause := ""
	switch {
	case errors.Is(err, unix.EEXIST):
		cause = "a congestion control of the name " + name + " exists: "
	case errors.Is(err, unix.EINVAL):
		cause = "the kernel rejects these operations: "
	}
	return fmt.Errorf("register %s as %s: %s%w", object, name, cause, err)
}

func (c *bpfCC) Algorithm() string { return c.name }

// Replace updates the link: sockets that select c.name afterwards get the new operations.
func (c *bpfCC) Replace(ctx context.Context, v harness.Variant) error {
	if err := c.replace(ctx, v); err != nil {
		return fmt.Errorf("replace %s: %w", c.name, err)
	}
	return nil
}

func (c *bpfCC) replace(ctx context.Context, v harness.Variant) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.link == nil {
		return errClosed
	}
	if v.Attach != "struct_ops" {
		return harness.Skip("the method of %s is %q, want struct_ops", v.Name, v.Attach)
	}
	o, err := bpfobj.OpenCC(v)
	if err != nil {
		return err
	}
	next, err := bpfobj.LoadCC(c.types, o, c.name, v.Knobs)
	if err != nil {
		return err
	}
	if err := bpfobj.UpdateStructOps(c.link, next.Ops, c.instance.Ops); err != nil {
		return errors.Join(err, next.Close())
	}
	old := c.instance
	c.instance = next
	return old.Close()
}

var errClosed = errors.New("the congestion control is closed")

// InForce returns an error unless the kernel lists the name and the registered map is that of the present operations.
func (c *bpfCC) InForce() error {
	if err := c.check(); err != nil {
		return fmt.Errorf("check %s: %w", c.name, err)
	}
	return nil
}

func (c *bpfCC) check() error {
	if c.link == nil {
		return errClosed
	}
	if err := checkListed(c.name); err != nil {
		return err
	}
	fd, err := bpfobj.LinkFD(c.link)
	if err != nil {
		return err
	}
	id, err := structOpsMapID(fd)
	if err == nil && id != c.instance.Id {
		err = fmt.Errorf("map %d is registered, not %d", id, c.instance.Id)
	}
	return err
}

// Counters returns the number of sockets that use the present operations, and the object's own counters.
func (c *bpfCC) Counters() (map[string]uint64, error) {
	n, err := c.instance.Users()
	if err != nil {
		return nil, err
	}
	out, err := c.instance.Stats()
	if err != nil {
		return nil, err
	}
	out["sockets"] = n - min(n, 1) // without the reference of the registration
	return out, nil
}

// Close unregisters the name. Sockets that use the operations keep them. A second call does nothing.
func (c *bpfCC) Close() error {
	if c.link == nil {
		return nil
	}
	err := c.link.Close()
	c.link = nil
	return errors.Join(err, c.instance.Close())
}

// structOpsMapID returns the map whose operations a link registers; 0: none.
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
