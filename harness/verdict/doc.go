// SPDX-License-Identifier: Apache-2.0

// Package verdict judges a run, or a pair of runs: comparison and gate, drift of the machine, the run's own noise (A/A), claims,
// scores, laws and equivalence of ports. It reads runs through package record and uses the tests of package stats. It does not
// draw, write or run anything.
//
// Trials of one repeat are interleaved, so two cells of one run are compared by the quotients of their paired repeats. Compare
// documents the tests between two runs.
package verdict
