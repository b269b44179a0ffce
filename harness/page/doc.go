// SPDX-License-Identifier: Apache-2.0

// Package page writes what people read of a run: tables and comparisons as text, Markdown, JSON and JUnit, and one
// self-contained HTML page. It never runs anything and makes no verdict of its own.
//
// Classes do different work and are never ranked together: each has its own tables.
package page
