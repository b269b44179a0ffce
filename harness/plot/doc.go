// SPDX-License-Identifier: Apache-2.0

// Package plot draws the plots that a definition declares, from a run directory alone, as SVG and PNG. The same run gives the
// same bytes. It decides nothing: what differs is said by package verdict.
package plot
