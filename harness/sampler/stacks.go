// SPDX-License-Identifier: Apache-2.0

package sampler

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/sys"
)

// headBytes is the size of a sample's head.
const headBytes = 4*4 + abi.StackTask

// parseSample reads a sample: its head, and the addresses of the kernel's stack and the program's, the innermost first.
func parseSample(raw []byte) (head abi.StackSample, stacks [2][]uint64, ok bool) {
	if len(raw) < headBytes {
		return head, stacks, false
	}
	if _, err := binary.Decode(raw, binary.NativeEndian, &head); err != nil {
		return head, stacks, false
	}
	rest := raw[headBytes:]
	for i, n := range []uint32{head.Kernel, head.User} {
		if uint64(n) > uint64(len(rest)) {
			return head, stacks, false
		}
		stacks[i], rest = words(rest[:n]), rest[n:]
	}
	return head, stacks, true
}

// words are the addresses in a stack, up to the first that is 0.
func words(raw []byte) (out []uint64) {
	for c := range slices.Chunk(raw[:len(raw)/8*8], 8) {
		a := binary.NativeEndian.Uint64(c)
		if a == 0 {
			break
		}
		out = append(out, a)
	}
	return out
}

// taskOf is a task's name.
func taskOf(raw [abi.StackTask]byte) string {
	name, _, _ := bytes.Cut(raw[:], []byte{0})
	return string(name)
}

// stacks are what was sampled, with symbols.
func (s *Sampler) stacks() (out harness.Stacks, err error) {
	b := builder{namer: newNamer(), processes: s.processes, cut: map[string][2]int64{}}
	for _, raw := range slices.Sorted(maps.Keys(s.samples)) {
		head, stacks, ok := parseSample([]byte(raw))
		if !ok {
			return out, fmt.Errorf("read samples: one of %d bytes", len(raw))
		}
		sample := b.sample(head.Tgid, taskOf(head.Task), stacks[0], stacks[1], true)
		sample.Value = s.samples[raw]
		b.on = append(b.on, sample)
		if head.Tgid != 0 && head.User > 0 {
			b.countCut(sample)
		}
	}
	if err := s.readOffCPU(&b); err != nil {
		return out, err
	}
	out = harness.Stacks{
		Length: s.length, Period: s.options.Period, OnCPU: joined(b.on), OffCPU: joined(b.off), Addresses: b.addresses.all, Names: b.names.all, Notes: s.notes, Windows: int(s.windows),
	}
	notes, err := s.lostNotes()
	if err != nil {
		return out, err
	}
	out.Notes = append(out.Notes, append(notes, b.cutNotes()...)...)
	var merr error
	out.Programs, err = sys.BPFSymbols()
	out.Modules, merr = sys.Modules()
	if err := errors.Join(err, merr); err != nil {
		out.Notes = append(out.Notes, err.Error())
	}
	if s.options.Symbols {
		if out.Kernel, err = kernelSymbols(b.addresses.all); err != nil {
			out.Notes = append(out.Notes, err.Error())
		}
	}
	return out, nil
}

// kernelSymbols are the symbols of this kernel that name some addresses.
func kernelSymbols(addresses []uint64) ([]harness.Symbol, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil, fmt.Errorf("read kernel's symbols: %w", err)
	}
	defer f.Close()
	all, err := profile.ParseKallsyms(f)
	if err != nil {
		return nil, err
	}
	return profile.Kernel{Symbols: all}.Only(addresses), nil
}

// readOffCPU reads the times off the CPU and their stacks.
func (s *Sampler) readOffCPU(b *builder) error {
	sums := map[abi.StackKey]uint64{}
	var key abi.StackKey
	var ns uint64
	all := s.coll.Maps["off_cpu"].Iterate()
	for all.Next(&key, &ns) {
		sums[key] = ns
	}
	if err := all.Err(); err != nil {
		return fmt.Errorf("read times off the CPU: %w", err)
	}
	cache := map[int32][]uint64{}
	stack := func(id int32) []uint64 {
		at, ok := cache[id]
		if !ok && id >= 0 && id != noStack {
			raw, _ := s.coll.Maps["stacks"].LookupBytes(uint32(id)) // none: the kernel counts it as lost
			at = words(raw)
			cache[id] = at
		}
		return at
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b abi.StackKey) int {
		x, _ := binary.Append(nil, binary.BigEndian, a)
		y, _ := binary.Append(nil, binary.BigEndian, b)
		return bytes.Compare(x, y)
	})
	for _, k := range keys {
		task := taskOf(k.Task)
		s.look(k.Tgid, 0, task)
		sample := b.sample(k.Tgid, task, stack(k.Kernel), stack(k.User), false)
		sample.Waits, sample.Value = k.Waits != 0, int64(sums[k])
		b.off = append(b.off, sample)
	}
	return nil
}

// noStack stands for the stack of a program in a thread of the kernel, which has none (NO_STACK).
const noStack = 0xffff
