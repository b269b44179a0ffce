// SPDX-License-Identifier: Apache-2.0

// Package load is a program that loads the CPUs and reports the results of its threads: threads compute, wake one another,
// exchange a byte, serve requests or fork. The program is a process of its own (the lab's binary with another first
// argument), so that the lab's threads and garbage collection are not measured.
//
// Main is the program, Start runs it. Every thread of a load is a kernel thread with a name. The Go runtime adds one thread
// that wakes every 10 ms and does nothing; preemption by signals and garbage collection are off.
// Family sched chooses the scheduler and interprets the numbers.
package load

import "time"

// Command is the first argument with which the lab's binary runs Main.
const Command = "load"

// The kinds of load.
const (
	Spin   = "spin"   // Threads compute without sleeping
	Pipe   = "pipe"   // two threads on CPUs pass a byte back and forth; operations are rounds
	Wake   = "wake"   // a thread is woken about every half millisecond, beside Threads that compute
	Bench  = "bench"  // schbench's pattern: a message thread and Workers
	Mixed  = "mixed"  // requests at random times to two threads, beside Threads that compute
	Fork   = "fork"   // Workers fork children that end at once; operations are children
	Probe  = "probe"  // one connection requests Path from Addr repeatedly, with pauses of 200 µs
	Sleepy = "sleepy" // Threads compute, Workers sleep for about a millisecond and compute a little
)

// A Spec describes a load. A kind ignores fields that it does not use.
type Spec struct {
	Kind    string
	Warm    time.Duration // before the measurement
	Measure time.Duration // 0: until Stop; kinds Spin, Sleepy and Probe only
	Seed    uint64
	Threads []Thread
	Workers int
	CPUs    [2]int        // of the two threads of Pipe; -1: any
	Bound   time.Duration // of Mixed: limit of a request's latency
	Addr    string        // of Probe, "127.0.0.1:80"
	Path    string
	// Patience is the longest time that Spin continues after Measure until every thread has run once more. 0: it ends after Measure.
	Patience time.Duration
	// Children is the number of processes that Spin forks at once, repeatedly. Each computes ChildRounds rounds and ends. 0: none.
	Children    int
	ChildRounds int
}

// A Thread is one thread that computes.
type Thread struct {
	Name  string // at most 15 bytes
	Nice  int
	CPU   int           // to which it is pinned; -1: not pinned
	Idle  bool          // policy SCHED_IDLE
	Yield bool          // calls sched_yield before each read of the clock; Spin only
	Sleep time.Duration // from the beginning of the measurement until it computes; Spin only
}

// A Report holds the results of a load in the measured time.
type Report struct {
	Elapsed time.Duration
	Ops     float64        // operations of the kind; where threads compute, one is portion rounds
	Threads []ThreadReport `json:",omitempty"` // in the order of Spec.Threads
	Latency Distribution   // of requests, or of being woken (Wake)
	Waking  Distribution   // from being woken to running (Bench)
	Rate    float64        // requests a second (Mixed)
	Failed  int            // requests (Probe)
	Began   int64          // when the first request was sent, ns of CLOCK_MONOTONIC (Probe)
	Burst   time.Duration  // the longest time from the start of all Children to the end of the last (Spin)
	// BurstCPU is the CPU time of the children of that burst.
	BurstCPU time.Duration
	At       []float64 `json:",omitempty"` // seconds since the start, one a request (Probe)
	Took     []float64 `json:",omitempty"` // seconds
	Laps     []float64 `json:",omitempty"` // seconds that LapRounds rounds took, one after another (Pipe)
	Switches int64     // context switches of the process
	Forced   int64     // of them, involuntary
}

// A ThreadReport holds the results of one thread.
type ThreadReport struct {
	Run    time.Duration // CPU time
	Ops    float64       // portions
	Gap    time.Duration // the longest time between two reads of the clock, which a running thread makes each 10,000 rounds
	Strays int64         // reads of the clock at which a pinned thread was on another CPU
}

// LapRounds is the number of rounds of Pipe between two reads of the clock.
const LapRounds = 16

const (
	firstLaps   = 1 << 16      // laps of Pipe that have room before more memory is needed
	portion     = 100_000      // rounds of computing in one operation
	clockRounds = portion / 10 // rounds that a thread computes between two reads of the clock
	mixedFirst  = 100          // first rate of Mixed, requests a second
	mixedSteps  = 6            // number of rates that Mixed tries
)
