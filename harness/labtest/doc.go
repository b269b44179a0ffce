// SPDX-License-Identifier: Apache-2.0

// Package labtest holds what tests of several packages share: a site in a namespace of its own, a cgroup, comparison of
// struct layouts. Only tests import it.
package labtest
