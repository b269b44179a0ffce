// SPDX-License-Identifier: Apache-2.0

package bpfobj

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/kxlab/kxlab/bpf"
)

// TestEncodeCasts: the instruction of a program that makes a pointer into an arena keeps its offset, and no other gets one.
func TestEncodeCasts(t *testing.T) {
	const move = 0xbf // addr_space_cast is a move with an offset
	for object, want := range map[string]int{"safety/arena_beyond": 3, "safety/arena_freed": 1, "safety/sound": 0} {
		spec, err := bpf.Open(object)
		if err != nil {
			t.Fatal(err)
		}
		if casts(spec) != (want > 0) {
			t.Errorf("%s: casts %v, want %d", object, casts(spec), want)
		}
		for _, p := range spec.Programs {
			for i := range p.Instructions {
				switch ins := &p.Instructions[i]; {
				case ins.IsLoadFromMap():
					*ins = asm.LoadImm(ins.Dst, 0, asm.DWord)
				case ins.IsKfuncCall():
					ins.Constant = 1
				}
			}
			raw, err := encodeCasts(p.Instructions, spec.ByteOrder)
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for ; len(raw) > 0; raw = raw[8:] {
				if offset := binary.LittleEndian.Uint16(raw[2:]); raw[0] == move && offset == castOffset && raw[4] == 1 {
					got++
				} else if raw[0] == move && offset != 0 {
					t.Errorf("%s: a move with offset %d", object, offset)
				}
			}
			if got != want {
				t.Errorf("%s: %d casts, want %d", object, got, want)
			}
		}
	}
}
