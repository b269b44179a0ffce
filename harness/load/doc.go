// SPDX-License-Identifier: Apache-2.0

// Package load is a program that loads the CPUs and reports what its threads got: threads compute, wake one another,
// exchange a byte, serve requests or fork. The program is a process of its own (the lab's binary with another first
// argument), so that the lab's threads and garbage collection are not measured.
//
// Main is the program, Start runs it. Every thread of a load is a thread of the kernel with a name. The Go runtime adds
// one thread that wakes every 10 ms and does nothing; preemption by signals and garbage collection are off.
// Family sched chooses the scheduler and interprets the numbers.
package load

import "time"

// Command is the first argument that makes the lab's binary this program.
const Command = "load"

// The kinds of load.
const (
	Spin   = "spin"   // Threads compute without sleeping
	Pipe   = "pipe"   // two threads on CPUs pass a byte to and fro; operations are rounds
	Wake   = "wake"   // a thread is woken about every half millisecond, beside Threads that compute
	Bench  = "bench"  // schbench's pattern: a message thread and Workers
	Mixed  = "mixed"  // requests at random times to two threads, beside Threads that compute
	Fork   = "fork"   // Workers fork children that end at once; operations are children
	Probe  = "probe"  // one connection asks Addr for Path again and again, with 200 µs of rest
	Sleepy = "sleepy" // Threads compute, Workers sleep a millisecond or so and compute a little
)

// A Spec says what to do. Fields that a kind does not use are ignored.
type Spec struct {
	Kind    string
	Warm    time.Duration // before the measurement
	Measure time.Duration // 0: until Stop; kinds Spin, Sleepy and Probe only
	Seed    uint64
	Threads []Thread
	Workers int
	CPUs    [2]int        // of the two threads of Pipe; -1: any
	Bound   time.Duration // of Mixed: within which a request has to be done
	Addr    string        // of Probe, "127.0.0.1:80"
	Path    string
	// Patience makes Spin go on after Measure until every thread has run once more, at most for so long. 0: it ends after Measure.
	Patience time.Duration
	// Children is how many processes Spin makes at once, again and again, each of which computes ChildRounds rounds and ends. 0: none.
	Children    int
	ChildRounds int
}

// A Thread is one thread that computes.
type Thread struct {
	Name  string // at most 15 bytes
	Nice  int
	CPU   int           // where it is pinned; -1: nowhere
	Idle  bool          // policy SCHED_IDLE
	Yield bool          // calls sched_yield after each look at the clock; Spin only
	Sleep time.Duration // how long it sleeps when the measurement has begun, before it computes; Spin only
}

// A Report holds the results of a load in the measured time.
type Report struct {
	Elapsed time.Duration
	Ops     float64        // what it counts depends on the kind; portions of portion rounds where threads compute
	Threads []ThreadReport `json:",omitempty"` // in the order of Spec.Threads
	Latency Distribution   // of requests, or of being woken (Wake)
	Waking  Distribution   // from being woken to running (Bench)
	Rate    float64        // requests a second (Mixed)
	Failed  int            // requests (Probe)
	Burst   time.Duration  // the longest from the moment when all Children may begin to the end of the last (Spin)
	// BurstCPU is the CPU time of the children of that burst.
	BurstCPU time.Duration
	At       []float64 `json:",omitempty"` // seconds since the start, one a request (Probe)
	Took     []float64 `json:",omitempty"` // seconds
	// Switches are what the process's threads went through, Forced those they had not asked for.
	Switches, Forced int64
}

// A ThreadReport holds the results of one thread.
type ThreadReport struct {
	Run    time.Duration // CPU time
	Ops    float64       // portions
	Gap    time.Duration // the longest time between two reads of the clock, which a running thread makes each 10,000 rounds
	Strays int64         // reads of the clock at which a pinned thread was on another CPU
}

// portion is how many rounds of computing are one operation.
const portion = 100_000

// clockRounds is the number of rounds that a thread computes between two reads of the clock.
const clockRounds = portion / 10

// mixedFirst is the rate that Mixed tries first, requests a second; mixedSteps is how many rates it tries.
const (
	mixedFirst = 100
	mixedSteps = 6
)
