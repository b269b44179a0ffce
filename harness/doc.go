// SPDX-License-Identifier: Apache-2.0

// Package harness holds the words that every other package of the lab shares: what an experiment is, what a trial
// yields, and the few interfaces through which the runner, the workloads and the variants meet without knowing one
// another.
//
// It owns no behaviour beyond checking those words: nothing here touches the kernel, reads a file or prints. It is the
// leaf of the import graph and imports the standard library only.
//
// Neighbours: the families implement Family and Stage; runner
// walks the matrix of Cells; record writes Trials down; verdict and page read them back.
package harness
