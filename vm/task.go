// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"io/fs"
	"time"
)

// A task is what the guest's first process is to do. It lies in the image, or comes later.
type task struct {
	// Later says that the image has none of what follows but Exact and Beat: the guest is set up, and then receives its task.
	Later bool          `json:"later,omitempty"`
	Seed  uint64        `json:"seed,omitempty"` // stirred into the kernel's random numbers when the task comes later
	Args  []string      `json:"args"`
	Env   []string      `json:"env,omitempty"`
	Dir   string        `json:"dir,omitempty"`
	Exact bool          `json:"exact,omitempty"`
	Beat  time.Duration `json:"beat"` // how often the guest says that it lives, in its own time
	// Terminal lets the program run on the console instead of its output going to the channel.
	Terminal bool `json:"terminal,omitempty"`
	// Acknowledge is Cmd.Acknowledge.
	Acknowledge bool       `json:"acknowledge,omitempty"`
	Stdin       bool       `json:"stdin,omitempty"` // the file stdin beside the task is the program's standard input
	Files       []taskFile `json:"files,omitempty"` // to be written first, where they cannot be in the image
}

type taskFile struct {
	Path    string      `json:"path"`
	Content []byte      `json:"content"`
	Mode    fs.FileMode `json:"mode"`
}

// hello is the first frame of a guest.
type hello struct {
	Release string        `json:"release"`
	Uptime  time.Duration `json:"uptime"` // guest time from the start of its clock until the first process ran
}

// Ready is the frame that a guest sends before its program starts.
type Ready struct {
	Release string        `json:"release"` // of the kernel that runs
	Init    time.Duration `json:"init"`    // guest time from the start of its clock until its first process ran
	Uptime  time.Duration `json:"uptime"`  // guest time until the program starts
	// Calibration is set in exact.
	Calibration *Calibration `json:"calibration,omitempty"`
}

// exitStatus is the last frame of a guest.
type exitStatus struct {
	Code    int    `json:"code"`              // of the program, or 128 and the signal that ended it
	Error   string `json:"error,omitempty"`   // why the program was not run
	Tainted uint64 `json:"tainted,omitempty"` // /proc/sys/kernel/tainted: what went wrong in the kernel
	OOM     int    `json:"oom,omitempty"`     // processes that were killed for want of memory
}
