// SPDX-License-Identifier: Apache-2.0

// Package host knows this machine: its facts, for the record of a run, and what it can do, for doctor, with the way to
// get what is missing.
//
// Facts are read; nothing is changed. What the kernel can do is found by trying it, in a throw-away network namespace
// where it needs one, never by comparing version numbers. It does not know which variants there are: doctor's rows
// name what a capability is for by the attach method and the workload.
//
// Neighbours: runner asks for the time that was stolen, record keeps the facts, cmd prints them.
package host
