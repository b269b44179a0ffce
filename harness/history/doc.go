// SPDX-License-Identifier: Apache-2.0

// Package history keeps what runs measured at commits, and finds the commits at which it changed.
//
// A history is a folder with a file for each commit, COMMIT.txt, in the Go benchmark format (golang.org/design/14313-benchmark-format). Its
// file keys say which commit it is and, before each run's trials, what decides comparability. The package knows no git: its caller says
// which commits follow one another. It neither measures nor prints. Package record is the run directory that a file is made from;
// package stats has the change points of noisy series.
package history
