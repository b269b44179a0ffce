// SPDX-License-Identifier: Apache-2.0

// Package page writes reports about runs: tables and comparisons as text, Markdown, JSON and JUnit, and a self-contained HTML
// page. It makes no verdict of its own and runs nothing.
//
// Classes do different work and are never candidates together: each has its own tables.
package page
