// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"io/fs"
	"time"
)

// A task is the work of a guest's first process. It lies in the image, or the guest receives it after its set-up.
type task struct {
	Later       bool          `json:"later,omitempty"` // the guest receives its task; the image has only Exact and Beat
	Seed        uint64        `json:"seed,omitempty"`  // mixed into the kernel's random numbers of exact guests
	Args        []string      `json:"args"`
	Env         []string      `json:"env,omitempty"`
	Dir         string        `json:"dir,omitempty"`
	Exact       bool          `json:"exact,omitempty"`
	Beat        time.Duration `json:"beat"`               // guest time between heartbeats
	Terminal    bool          `json:"terminal,omitempty"` // the program runs on the console
	Acknowledge bool          `json:"acknowledge,omitempty"`
	Stdin       bool          `json:"stdin,omitempty"` // the file stdin beside the task is the program's standard input
	Files       []taskFile    `json:"files,omitempty"` // written before the program starts, where the image does not have them
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
	// Calibration is set in exact guests.
	Calibration *Calibration `json:"calibration,omitempty"`
}

// exitStatus is the last frame of a guest.
type exitStatus struct {
	Code    int    `json:"code"`              // of the program, or 128 and the signal that ended it
	Error   string `json:"error,omitempty"`   // why the program was not run
	Tainted uint64 `json:"tainted,omitempty"` // /proc/sys/kernel/tainted
	OOM     int    `json:"oom,omitempty"`     // processes that the OOM killer ended
}
