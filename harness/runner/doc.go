// SPDX-License-Identifier: Apache-2.0

// Package runner plans and makes the trials of an experiment. It turns an experiment and a selection into groups of cells, puts
// the variants of a group in force side by side, checks each with its correctness gate, and then measures trials in a random,
// seeded and interleaved order: every repeat runs all variants before the next repeat begins.
//
// It decides which trials count. A trial is rejected, with its reason, if its stage says so, if it fails, or if other guests of
// the machine's host took too much CPU time; then it is tried again a few times. Each cell gets one outcome.
//
// It does not set up networks, send traffic or attach programs (a harness.Family does), write files (package record) or judge
// numbers (package verdict).
//
//	plan.go      from an experiment to groups, blocks and cells (pure)
//	select.go    what of the experiment is run (pure)
//	order.go     the order of trials (pure)
//	worker.go    set-up, gates and trials of a group, on the host or in a guest
//	attempt.go   one trial: attempts, validity
//	engine.go    jobs for guests, and what they report: guest.go, gates.go
//	progress.go  progress, for the terminal
//	estimate.go  the remaining time
//	lock.go      one run at a time on a machine
package runner
