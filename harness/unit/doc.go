// SPDX-License-Identifier: Apache-2.0

// Package unit writes values for people: it picks one scale for the values of a unit, and writes digits, shares and dashes.
// Records keep base units; only what people read passes through here.
package unit
