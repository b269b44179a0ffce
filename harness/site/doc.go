// SPDX-License-Identifier: Apache-2.0

// Package site makes one static site of many runs: the claims over all of them, a page for each question, the pages of the runs, the
// method and the words. It needs no server, no network and no scripts. The same runs give the same bytes.
//
// It makes no verdict of its own and draws nothing: pages of runs, answers and rows of claims are package page's.
package site
