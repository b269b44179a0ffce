// SPDX-License-Identifier: Apache-2.0

// Package swap is the family of replacements at run time: a version of a program, a ruleset, a module or a configuration takes the place
// of another while numbered packets, connections or requests pass.
//
// It owns the ways to replace (way.go; program.go, xdp.go, tc.go, cgroup.go, tail.go, table.go of BPF; rules.go, ipvs.go of rules;
// module.go; ops.go of congestion controls; sched.go; answer.go of programs that answer), what passes and the loop of replacements (trial.go,
// talker.go of packets; requests.go, asker.go; connections.go, connection.go; probes.go under schedulers), and the proof (sink.go, book.go,
// tally.go). A way does not know the load, and the proof does not know the way.
package swap
