// SPDX-License-Identifier: Apache-2.0

// Package profile says which functions executed the instructions of a unit of work on target exact, and by which of them two variants
// differ. It reads what QEMU's plug-in counted (vm/plugin/counts.c) and the symbols of the guest, and is pure: no guest, no files.
//
// Package mark opens the windows that are counted, family/exact names the BPF programs in them, cmd/kxlab boots the guests, page writes
// the tables.
package profile
