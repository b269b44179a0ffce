// SPDX-License-Identifier: Apache-2.0

// Package abi holds the structs, counters and constants of bpf/include/*.h in Go, one file a header, for the code that shares
// them with BPF programs. It is generated: structs from the types in the compiled objects (BTF), so that sizes and offsets are
// the compiler's; constants and the names of counters from the header's text, because BTF has neither.
//
// Fields in network byte order (__be16, __be32) are byte arrays. The package has no code and imports nothing.
package abi

//go:generate go run ./gen
