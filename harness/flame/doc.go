// SPDX-License-Identifier: Apache-2.0

// Package flame draws profiles of stacks as flame graphs and as differential flame graphs, in SVG, and writes them as pprof files. It
// is pure: the same profiles give the same bytes.
//
// In a flame graph a function stands on the function that called it, and is as wide as the time in it and in what it called. In a
// differential one each stack is as wide as in the profile in which it took longer: a function that only one of them has keeps its
// place, and colour says which.
//
// Package profile names functions and joins stacks, package sampler reads them, package page says where the pictures are.
package flame
