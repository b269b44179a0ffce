// SPDX-License-Identifier: Apache-2.0

package bpfobj

import "github.com/kxlab/kxlab/harness"

// A Loaded is a BPF object in the kernel: verified and compiled, attached to nothing.
type Loaded interface {
	harness.Extension
	// Programs says what the kernel made of each program, in order of their names.
	Programs() ([]Program, error)
}

// A Program is what the kernel says of a loaded program, its subprograms included (struct bpf_prog_info).
type Program struct {
	Name string
	// Verified is how many instructions the verifier processed, those on several paths several times.
	Verified int
	// Translated is how many instructions were left after the verifier had rewritten them.
	Translated int
	Native     int // bytes of machine code
}
