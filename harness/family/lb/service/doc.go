// SPDX-License-Identifier: Apache-2.0

// Package service has the types of load balancing: services, backends, and the balancer that distributes the connections
// of services to backends. It does not touch the kernel.
package service
