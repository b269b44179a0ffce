// SPDX-License-Identifier: Apache-2.0

// Package law holds closed forms from the literature for the equilibrium of congestion controls: windows, periods, queues,
// throughput. It is pure arithmetic and knows no run, report or kernel. Definitions name a formula and its parameters
// (harness.Law); package verdict compares measurements with its value.
package law
