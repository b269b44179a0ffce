// SPDX-License-Identifier: Apache-2.0

// Package exact holds what families share on target exact, where time counts instructions: quiet before a trial, and a clock
// of the CPU's idle time.
package exact
