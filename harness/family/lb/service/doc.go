// SPDX-License-Identifier: Apache-2.0

// Package service has the words of load balancing: services, backends, and the balancer that spreads one over the other. It
// touches nothing.
package service
