// SPDX-License-Identifier: Apache-2.0

// Package harness defines the types that all packages share (experiment, cell, trial, outcome) and the interfaces between
// runner and families. It checks names and nothing else: it does not touch the kernel, read files or print, and imports the
// standard library only.
//
// Neighbours: families implement Family and Stage; runner measures the cells; record writes trials; verdict and page read them.
package harness
