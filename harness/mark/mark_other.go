// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package mark

// Begin does nothing: guests are amd64.
func Begin() {}

// Lap does nothing.
func Lap() {}

// End does nothing.
func End() {}

// Skip does nothing.
func Skip() {}

// Trial does nothing.
func Trial() {}
