// SPDX-License-Identifier: Apache-2.0

// Package command puts load balancers in force that are programs or scripts of the user's: attach: command. Each runs inside the balancer's
// namespace, finds the services in files and its place in variables, and may change what it likes there but the addresses, the routes and the
// link that the lab gave it.
//
// Neighbours: package harness/command runs the programs; service has the types; family lb measures.
package command
