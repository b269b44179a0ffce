// SPDX-License-Identifier: Apache-2.0

// Package report says what a run found, and how sure it is: summaries, tables, plots, claims, the comparison of two
// runs, and one self-contained page. It reads run directories through package record and never runs anything.
//
// Statistics. A cell is summarised by its median with the order-statistic interval of x/perf/benchmath, at 95 % where
// the number of repeats allows it and else at the highest level it does allow, which is then stated (5 repeats: 93.8 %,
// 3: 75 %). Trials of one repeat are interleaved, so two cells of one run are compared by the quotients of their paired
// repeats. Two runs are compared by Compare, which explains its tests. x/perf has no minimum effect: ours is the one
// asked for or the run's own A/A noise, whichever is larger. The coefficient of variation in tables is that of
// montanaflynn/stats with its population standard deviation (divided by n, not n-1).
//
// Classes do different work and are never ranked together: each has its own tables.
package page
