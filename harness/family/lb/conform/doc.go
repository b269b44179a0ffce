// SPDX-License-Identifier: Apache-2.0

// Package conform is the correctness gate of load balancers. It sends packet fixtures into a balancer's link, compares
// the frames that leave it byte for byte with a slow reference of the class, and runs real streams through it.
//
// It does not know variants or how they are built, and it measures nothing.
//
// Neighbours: family lb calls Check before it measures a variant; netlab builds the segment, tcp has the sockets.
package conform
