// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
)

// castOffset marks addr_space_cast, which makes a pointer into an arena: a move between registers with this offset
// (Documentation/bpf/standardization/instruction-set.rst).
const castOffset = 1

// isCast reports whether an instruction is addr_space_cast.
func isCast(ins asm.Instruction) bool {
	op := ins.OpCode
	return op.Class() == asm.ALU64Class && op.ALUOp() == asm.Mov && op.Source() == asm.RegSource && ins.Offset == castOffset
}

// casts reports whether a program has addr_space_cast. The library, as of v0.22.0, writes such instructions without their offset.
func casts(spec *ebpf.CollectionSpec) bool {
	for _, p := range spec.Programs {
		for _, ins := range p.Instructions {
			if isCast(ins) {
				return true
			}
		}
	}
	return false
}

// loadCasts loads an object whose one program has addr_space_cast, without types, so that it must have no function of its own. A
// refusal is an *ebpf.VerifierError. Errors are those of Try.
func loadCasts(spec *ebpf.CollectionSpec, types *btf.Cache) (coll *ebpf.Collection, err error) {
	spec = spec.Copy()
	programs := spec.Programs
	spec.Programs = nil
	if coll, err = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: types}); err != nil {
		return nil, err
	}
	for name, p := range programs {
		raw, err := resolve(p.Instructions, coll, types, spec.ByteOrder)
		if err == nil {
			coll.Programs[name], err = loadRaw(p, raw)
		}
		if err != nil {
			delete(coll.Programs, name)
			coll.Close()
			return nil, err
		}
	}
	return coll, nil
}

// resolve fills in maps and kfuncs, and encodes a program.
func resolve(insns asm.Instructions, coll *ebpf.Collection, types *btf.Cache, order binary.ByteOrder) ([]byte, error) {
	for i := range insns {
		ins := &insns[i]
		switch {
		case ins.IsLoadFromMap():
			if err := ins.AssociateMap(coll.Maps[ins.Reference()]); err != nil {
				return nil, err
			}
		case ins.IsKfuncCall():
			id, err := kfuncID(ins.Reference(), types)
			if err != nil {
				return nil, err
			}
			ins.Constant = int64(id)
		}
	}
	return encodeCasts(insns, order)
}

// kfuncID is the number of a kfunc's type in the kernel's types.
func kfuncID(name string, types *btf.Cache) (btf.TypeID, error) {
	kernel, err := types.Kernel()
	if err != nil {
		return 0, err
	}
	var f *btf.Func
	if err := kernel.TypeByName(name, &f); errors.Is(err, btf.ErrNotFound) {
		return 0, fmt.Errorf("kfunc %q: %w", name, ebpf.ErrNotSupported)
	} else if err != nil {
		return 0, err
	}
	return kernel.TypeID(f)
}

// encodeCasts encodes a program and puts back the offsets that make moves to casts.
func encodeCasts(insns asm.Instructions, order binary.ByteOrder) ([]byte, error) {
	var out bytes.Buffer
	if err := insns.Marshal(&out, order); err != nil {
		return nil, err
	}
	raw := out.Bytes()
	for it := insns.Iterate(); it.Next(); {
		if isCast(*it.Ins) {
			order.PutUint16(raw[it.Offset.Bytes()+2:], castOffset)
		}
	}
	return raw, nil
}

// loadAttr is the beginning of union bpf_attr for BPF_PROG_LOAD (linux/bpf.h).
type loadAttr struct {
	kind, count    uint32
	insns, license uint64
	logLevel       uint32
	logSize        uint32
	log            uint64
	_              uint32
	flags          uint32
	name           [unix.BPF_OBJ_NAME_LEN]byte
}

// logBytes is the size of the buffer for the verifier's log, whose statistics and reason are a few lines.
const logBytes = 1 << 16

// loadRaw loads an encoded program.
func loadRaw(p *ebpf.ProgramSpec, raw []byte) (*ebpf.Program, error) {
	license, log := append([]byte(p.License), 0), make([]byte, logBytes)
	attr := loadAttr{
		kind: uint32(p.Type), count: uint32(len(raw) / asm.InstructionSize),
		insns: address(raw), license: address(license),
		logLevel: uint32(ebpf.LogLevelStats), logSize: logBytes, log: address(log),
		flags: p.Flags,
	}
	copy(attr.name[:len(attr.name)-1], p.Name)
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive([][]byte{raw, license, log})
	said := strings.TrimSpace(unix.ByteSliceToString(log))
	if errno != 0 {
		return nil, &ebpf.VerifierError{Cause: errno, Log: strings.Split(said, "\n")}
	}
	prog, err := ebpf.NewProgramFromFD(int(fd))
	if err != nil {
		return nil, harness.Wrap(err, "take program %s", p.Name)
	}
	prog.VerifierLog = said
	return prog, nil
}

// address is where bytes lie, as the kernel wants it. They must be kept alive.
func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
