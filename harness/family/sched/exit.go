// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// schedExitKinds are the kernel's enum scx_exit_kind (kernel/sched/ext).
var schedExitKinds = map[uint64]string{
	1: "done", 64: "unregistered", 65: "ended by the scheduler", 66: "ended by the kernel", 67: "ended by SysRq",
	68: "ended with its parent", 1024: "error", 1025: "error found by the scheduler", 1026: "stall",
}

// readSchedExit returns the exit reason of a scheduler; false while the scheduler has not exited.
func readSchedExit(v *ebpf.Variable) (SchedExit, bool, error) {
	if t := v.Type(); t != nil {
		if s, ok := btf.As[*btf.Struct](t.Type); ok && s.Name == bpfobj.KernelExitInfo {
			return readKernelExit(v, s)
		}
	}
	var raw abi.SchedExit
	if err := v.Get(&raw); err != nil {
		return SchedExit{}, false, fmt.Errorf("read the exit reason of the scheduler: %w", err)
	}
	if raw.Kind == 0 {
		return SchedExit{}, false, nil
	}
	return SchedExit{
		Kind:      exitKind(raw.Kind),
		Code:      raw.Code,
		Reason:    cString(raw.Reason[:]),
		Message:   cString(raw.Msg[:]),
		Backtrace: symbolize(raw.Bt[:min(int(raw.BtLen), len(raw.Bt))]),
		Dump:      cString(raw.Dump[:]),
	}, true, nil
}

// readKernelExit reads the exit reason where the kernel's own schedulers keep it: members of struct user_exit_info by their names.
func readKernelExit(v *ebpf.Variable, info *btf.Struct) (SchedExit, bool, error) {
	raw := make([]byte, v.Size())
	if err := v.Get(raw); err != nil {
		return SchedExit{}, false, fmt.Errorf("read the exit reason of the scheduler: %w", err)
	}
	member := func(name string) []byte {
		i := bpfobj.MemberIndex(info, name)
		if i < 0 {
			return nil
		}
		size, err := btf.Sizeof(info.Members[i].Type)
		at := int(info.Members[i].Offset.Bytes())
		if err != nil || at+size > len(raw) {
			return nil
		}
		return raw[at : at+size]
	}
	number := func(name string) uint64 {
		var b [8]byte
		copy(b[:], member(name))
		return binary.NativeEndian.Uint64(b[:])
	}
	kind := number("kind")
	if kind == 0 {
		return SchedExit{}, false, nil
	}
	return SchedExit{
		Kind: exitKind(kind), Code: int64(number("exit_code")), Reason: cString(member("reason")), Message: cString(member("msg")),
	}, true, nil
}

// exitKind names a value of enum scx_exit_kind.
func exitKind(kind uint64) string {
	if name, ok := schedExitKinds[kind]; ok {
		return name
	}
	return strconv.FormatUint(kind, 10)
}

// cString is the text up to the first zero byte.
func cString(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(text), "?")
}

// symbolize returns "symbol+0x12" for each address that /proc/kallsyms covers, and the address in hexadecimal for others.
func symbolize(addrs []uint64) []string {
	if len(addrs) == 0 {
		return nil
	}
	symbols := kernelSymbols()
	names := make([]string, 0, len(addrs))
	for _, a := range addrs {
		i, found := slices.BinarySearchFunc(symbols, a, func(s kernelSymbol, a uint64) int { return cmp.Compare(s.at, a) })
		if !found {
			i-- // the last symbol that starts before the address
		}
		if i < 0 {
			names = append(names, fmt.Sprintf("%#x", a))
			continue
		}
		names = append(names, fmt.Sprintf("%s+%#x", symbols[i].name, a-symbols[i].at))
	}
	return names
}

type kernelSymbol struct {
	at   uint64
	name string
}

// kernelSymbols reads /proc/kallsyms, sorted by address. The result is empty where the kernel hides addresses.
func kernelSymbols() []kernelSymbol {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil
	}
	defer f.Close()
	var symbols []kernelSymbol
	for lines := bufio.NewScanner(f); lines.Scan(); {
		field := strings.Fields(lines.Text())
		if len(field) < 3 {
			continue
		}
		if at, err := strconv.ParseUint(field[0], 16, 64); err == nil && at != 0 {
			symbols = append(symbols, kernelSymbol{at, field[2]})
		}
	}
	slices.SortStableFunc(symbols, func(a, b kernelSymbol) int { return cmp.Compare(a.at, b.at) })
	return symbols
}
