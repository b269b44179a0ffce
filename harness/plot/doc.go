// SPDX-License-Identifier: Apache-2.0

// Package plot draws the plots that a definition declares, as SVG and PNG, from a run directory alone. The same run gives the
// same bytes. It makes no verdicts.
package plot
