// SPDX-License-Identifier: Apache-2.0

// Package exact holds the measures that families share on target exact, where time counts instructions: a quiet CPU
// during a trial, and a clock of the CPU's idle time.
package exact
