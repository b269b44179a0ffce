// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// fastRound is the longest round of work on a machine for which limits of time are made as they stand.
	fastRound = 3 * time.Microsecond
	// workTime is how long a look at the machine's speed takes: several turns of a busy CPU.
	workTime = 100 * time.Millisecond
	// mostSlow bounds how much longer a Deadline gets, so that every wait ends.
	mostSlow = 20
)

// A Deadline is a limit of time that grows with how slow the machine is: up to 20 times. An emulated guest is slow, and so is a machine whose
// CPUs are busy with other work, which a guest cannot see. Only a Deadline that has passed looks at the machine: until then, and where all goes
// well, nothing is measured. It is not safe for concurrent use.
type Deadline struct {
	limit  time.Duration
	began  time.Time
	work   func() (rounds int, took time.Duration)
	worked time.Duration
	rounds int
}

// NewDeadline begins a wait of a limit.
func NewDeadline(limit time.Duration) *Deadline { return DeadlineSince(time.Now(), limit) }

// DeadlineSince is the limit of a wait that began earlier.
func DeadlineSince(began time.Time, limit time.Duration) *Deadline {
	return &Deadline{limit: limit, began: began, work: workPipe}
}

// Passed is how long the wait has taken.
func (d *Deadline) Passed() time.Duration { return time.Since(d.began).Round(time.Millisecond) }

// Over tells whether the wait has taken longer than its limit, multiplied by how much longer than on a fast machine the kernel's work takes in the
// mean of all calls after the limit. Each of these takes 100 ms.
func (d *Deadline) Over() bool {
	past := time.Since(d.began)
	if past <= d.limit {
		return false
	}
	rounds, took := d.work()
	d.rounds, d.worked = d.rounds+rounds, d.worked+took
	slow := min(max(1, float64(d.worked)/float64(d.rounds)/float64(fastRound)), mostSlow)
	return float64(past) > slow*float64(d.limit)
}

// workPipe sends bytes through a pipe for workTime. A round is two system calls: one to write, one to read.
func workPipe() (rounds int, took time.Duration) {
	var pipe [2]int
	if unix.Pipe2(pipe[:], unix.O_CLOEXEC) != nil {
		return 1, fastRound
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	var b [1]byte
	for began := time.Now(); took < workTime; took = time.Since(began) {
		_, _ = unix.Write(pipe[1], b[:])
		_, _ = unix.Read(pipe[0], b[:])
		rounds++
	}
	return rounds, took
}
