// SPDX-License-Identifier: Apache-2.0

// Package synthetic invents runs, from a seed, to test statistics and looks. Nothing in it was measured, and nothing of it
// may be published as a measurement. Only tests import it.
package synthetic
