// SPDX-License-Identifier: Apache-2.0

// Package swap is the family of replacements at run time: a version of a program or of a ruleset takes the place of another while
// numbered packets pass.
//
// It owns the ways to replace (way.go; program.go, xdp.go, tc.go, tail.go, table.go of BPF; rules.go of rules), the load and the loop
// of replacements (trial.go) and the proof at the sink (sink.go, tally.go). A way does not know the load, and the proof does not know
// the way.
package swap
