// SPDX-License-Identifier: Apache-2.0

// Package stats holds pure numbers: medians with intervals, rank tests, tails of distributions, corrections for many tests.
// Floats go in and floats come out; it knows neither runs nor units nor the kernel.
//
// A sample is summarised by its median with the order-statistic interval of x/perf/benchmath, at 95 % where the number of
// values allows it and else at the highest level it does allow, which is then stated (5 values: 93.8 %, 3: 75 %). The
// coefficient of variation is that of montanaflynn/stats, whose standard deviation is the population's (divided by n).
// Tails and quantiles of distributions are gonum's. Variances of small samples are moderated after Smyth (2004).
package stats
