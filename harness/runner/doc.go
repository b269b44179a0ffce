// SPDX-License-Identifier: Apache-2.0

// Package runner walks the matrix: it turns an experiment and a selection into groups of cells, has each group's
// variants put in force side by side, lets each prove that it does the job, and then measures trial after trial in an
// order that is random, seeded and interleaved: every repeat runs all variants before the next repeat begins.
//
// It decides what counts. A trial is rejected, with its reason, if its stage says so, if it fails, or if other guests
// of the machine's host took too much CPU time meanwhile; then it is tried again a few times. What cannot run here is
// skipped with its reason, once a cell.
//
// It neither builds places nor sends traffic (a harness.Family does), nor knows how a variant is put in force (package
// attach does), nor how a run is written down (package record does), nor what the numbers mean (package verdict does).
//
//	plan.go      from an experiment to groups, blocks and cells (pure)
//	select.go    what of the experiment is wanted (pure)
//	order.go     the order of trials (pure)
//	run.go       groups: set-up, gate, trials
//	trial.go     one trial: attempts, validity
//	progress.go  what is going on and how long it will take, for people
//	lock.go      one run at a time on a machine
package runner
