// SPDX-License-Identifier: Apache-2.0

// Package stats computes medians with intervals, rank tests, tails of distributions and corrections for many tests. Floats
// go in and floats come out; the package knows neither runs nor units nor the kernel.
//
// Summarize returns the median with the order-statistic interval of x/perf/benchmath, at 95 % if the sample is large enough
// and else at the highest level it allows, which the summary states (5 values: 93.8 %, 3: 75 %). The coefficient of variation
// is that of montanaflynn/stats, whose standard deviation is the population's (divided by n). Tails and quantiles of
// distributions are gonum's. Variances of small samples are moderated after Smyth (2004).
package stats
