// SPDX-License-Identifier: Apache-2.0

// Package export writes what runs measured in formats that other programs read: the Go benchmark format, CSV, OpenMetrics, the JSON of
// github-action-benchmark and of Bencher, and KCIDB's.
//
// A value is exported only if a trial of a passed gate measured it. Rejected trials, bounds, and cells without a number are exported with
// their outcome where a format has a place for that, and never as numbers. The package measures and judges nothing: package verdict says
// what a difference means, package page writes that for people. Its folder readers is a module of its own, which reads the files in
// testdata with those programs' own libraries, or checks them against their schemas.
package export
