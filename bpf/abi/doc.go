// SPDX-License-Identifier: Apache-2.0

// Package abi is what BPF programs and Go share: the structs, counters and constants of bpf/include/*.h, in Go. One file
// a header, generated: structs from the types in the compiled objects (BTF), so that sizes and offsets are the compiler's;
// constants and the names of counters from the header's text, since BTF keeps neither.
//
// Fields of the network's byte order (__be16, __be32) are byte arrays here. The package holds no code and imports nothing.
package abi

//go:generate go run ./gen
