// SPDX-License-Identifier: Apache-2.0

// Package law holds closed forms from the literature for what congestion controls do in equilibrium: windows, periods,
// queues, throughput. It is pure arithmetic: it knows no run, no report and no kernel. Definitions name a formula and its
// parameters (harness.Law), and reports hold measurements against its value.
package law
