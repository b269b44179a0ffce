// SPDX-License-Identifier: Apache-2.0

// Package objects is the family of BPF objects as such: each is loaded, attached to nothing, and asked what the verifier and
// the compiler made of it.
package objects
