// SPDX-License-Identifier: Apache-2.0

package sched

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/kxlab/kxlab/bpf/abi"
)

// exitVariable is the variable of every scheduler in which it keeps why it ended.
const exitVariable = "sched_exit"

// schedExitKinds are the kernel's enum scx_exit_kind (kernel/sched/ext).
var schedExitKinds = map[uint64]string{
	1: "done", 64: "unregistered", 65: "ended by the scheduler", 66: "ended by the kernel", 67: "ended by SysRq",
	68: "ended with its parent", 1024: "error", 1025: "error found by the scheduler", 1026: "stall",
}

// readSchedExit returns why a scheduler ended; false if it did not end yet.
func readSchedExit(v *ebpf.Variable) (schedExit, bool, error) {
	var raw abi.SchedExit
	if err := v.Get(&raw); err != nil {
		return schedExit{}, false, fmt.Errorf("read why the scheduler ended: %w", err)
	}
	if raw.Kind == 0 {
		return schedExit{}, false, nil
	}
	kind, ok := schedExitKinds[raw.Kind]
	if !ok {
		kind = strconv.FormatUint(raw.Kind, 10)
	}
	return schedExit{
		Kind:      kind,
		Code:      raw.Code,
		Reason:    cString(raw.Reason[:]),
		Message:   cString(raw.Msg[:]),
		Backtrace: symbolize(raw.Bt[:min(int(raw.BtLen), len(raw.Bt))]),
		Dump:      cString(raw.Dump[:]),
	}, true, nil
}

// cString is the text up to the first zero byte.
func cString(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(text), "?")
}

// symbolize names kernel addresses, "symbol+0x12", as far as /proc/kallsyms tells.
func symbolize(addrs []uint64) []string {
	if len(addrs) == 0 {
		return nil
	}
	symbols := kernelSymbols()
	names := make([]string, 0, len(addrs))
	for _, a := range addrs {
		i, found := slices.BinarySearchFunc(symbols, a, func(s kernelSymbol, a uint64) int { return cmp.Compare(s.at, a) })
		if !found {
			i-- // the last that begins before it
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

// kernelSymbols reads /proc/kallsyms, sorted by address; nothing where addresses are hidden.
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
