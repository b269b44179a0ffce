// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
)

// Exit codes that git bisect run reads (git-bisect(1)): from 1 to 127 a commit is bad, but for codeSkip.
const (
	codeSkip  = 125 // the commit cannot be judged
	codeAbort = 128 // the bisection ends: no commit can be judged so
)

var (
	errDiffer = errors.New("differ")            // of outputs
	errBlind  = errors.New("no row was judged") // of a gate
)

// forGitBisect gives an error of ab the exit code that git bisect run reads. B is bad if it is worse or has other outputs than A. A failure
// of another kind, such as a program that does not compile, says nothing about the commit. Wrong usage, a machine that lacks something
// and an interrupt hold for all commits.
func forGitBisect(err error) error {
	code := codeSkip
	switch have := codeOf(err); {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), have == codeUsage, have == codeNothing:
		code = codeAbort
	case errors.Is(err, errBlind): // a skip
	case errors.Is(err, errDiffer), have == codeRegression:
		code = codeRegression
	}
	return &exitError{code: code, err: err}
}
