// SPDX-License-Identifier: Apache-2.0

package mark

// Begin opens a window.
func Begin()

// Lap ends a lap of a window. The laps of a window are alike: each does the same amount of work.
func Lap()

// End closes a window.
func End()

// Skip leaves what was executed since the last mark out of the window.
func Skip()

// Trial says that a trial begins, which may have several windows.
func Trial()
