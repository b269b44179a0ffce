// SPDX-License-Identifier: Apache-2.0

// Package record writes run directories while a run goes on, and reads them back strictly. A run directory is valid after a
// kill at any instant, and says that it is incomplete.
//
// bench.txt is the record: one line a trial in the Go benchmark format (golang.org/design/14313-benchmark-format), readable by
// benchstat. samples.jsonl has one line a trial with its repeat, its place in the order and the raw series behind its numbers.
// env.json says what ran where, what was planned, skipped and rejected, and whether the run is complete.
//
// Only whole lines are written, and Trial syncs before it returns; the sample line goes first, so that every line of bench.txt
// has its sample. env.json is replaced as a whole: written under another name, synced and renamed. The writer's lock is a flock
// on the directory, which the kernel releases when the process dies.
//
// The package does not measure, judge or print: package runner decides what is a trial, package verdict what it means.
package record
