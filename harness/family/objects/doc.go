// SPDX-License-Identifier: Apache-2.0

// Package objects is the family of BPF objects: each trial loads an object without attaching it and reads the figures
// of the verifier and the JIT compiler.
package objects
