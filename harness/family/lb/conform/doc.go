// SPDX-License-Identifier: Apache-2.0

// Package conform proves that a balancer in force does its job: correct before fast. It sends packet fixtures into the
// balancer's link and reads what comes out of it byte for byte, and runs real streams through it.
//
// It judges against a slow reference of its own, class by class, and knows neither variants nor how they are built. It
// measures nothing.
//
// Neighbours: family lb calls Check before the numbers of a variant; netlab gives the segment, tcp the real sockets.
package conform
