// SPDX-License-Identifier: Apache-2.0

// Package record owns run directories: it writes one as the run goes, so that a kill at any instant leaves something
// valid that says it is incomplete, and reads one back strictly.
//
// A run directory holds three files. bench.txt is the record itself, one line a trial in the Go benchmark format
// (golang.org/design/14313-benchmark-format), which benchstat reads as it is. samples.jsonl has one line a trial with
// its repeat, its place in the order and the raw series behind its numbers. env.json says what ran where, what was
// planned, skipped and rejected, and whether the run came to its end.
//
// Decisions: whole lines only, each synced before Trial returns; the sample line goes first, so that every line of
// bench.txt has its sample. env.json is replaced as a whole, by renaming a synced file over it. The writer holds a lock
// on the directory itself (flock), which the kernel lets go when the process dies: there is no lock file to go stale.
//
// It does not measure, judge or print: package runner decides what is a trial, package verdict what it means.
package record
