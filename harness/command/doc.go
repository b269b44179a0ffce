// SPDX-License-Identifier: Apache-2.0

// Package command runs the programs of attach: command: those that put a variant in force, change it and take it away
// (harness.Command). It owns their folder, their cgroup, what they print and how long they may take. It does not know services, links,
// schedulers or congestion controls.
//
// A program's processes are born in a cgroup of the variant's own, forks and daemons with them, so that all of them end when it closes;
// netlab.Clean ends those that a dead run left. The program itself also dies with the thread that started it (Pdeathsig).
//
// Neighbours: family/lb/command, family/sched and family/cc put variants in force with it; package experiments reads the programs from files.
package command
