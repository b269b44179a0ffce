// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"io/fs"
	"slices"
	"strings"
)

// AttachCommand is the attach method of variants that a program of the user's puts in force.
const AttachCommand = "command"

// A Command is how programs or scripts put a variant in force. Up, Sync, Flush and Down are paths, relative to the definition, which may
// be the same: each program is told for which of them it runs.
type Command struct {
	// Up puts the variant in force. It prints the line "ready", or ends with 0, or stays until its sockets answer.
	Up string
	// Sync makes changed services be in force and ends. Empty: all processes are ended, and Up runs again.
	Sync string
	// Flush forgets all connections and ends. Empty: there are none to forget.
	Flush string
	// Down runs before what is left is removed. Empty: nothing runs.
	Down string
	// Files are further files, which are laid beside the programs.
	Files []string
	// Needs are programs and files of this machine that the programs use.
	Needs []Need
	// Peculiarities are sound deviations of a load balancer from its class's handling of packets, which the gate then requires.
	Peculiarities []string
	// Contents are the programs and files, by the last element of their paths.
	Contents []CommandFile `yaml:"-" json:",omitempty"`
}

// Programs lists the paths of the programs, each once.
func (c *Command) Programs() []string { return paths(c.Up, c.Sync, c.Flush, c.Down) }

// Paths lists the paths of the programs and files, each once.
func (c *Command) Paths() []string { return paths(append(c.Programs(), c.Files...)...) }

// paths are the given ones, each once, without empty ones.
func paths(all ...string) (out []string) {
	for _, p := range all {
		if p != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// A Need is a program of this machine, by its name, or a file of it, by its absolute path. Guests get a copy.
type Need struct {
	File string
	// Package is the distribution's package that has it; "": File.
	Package string
}

// A CommandFile is a program or file of a Command.
type CommandFile struct {
	Name    string
	Mode    fs.FileMode
	Content []byte
}

// Interpreters lists the programs that the first lines of scripts name ("#!/bin/sh").
func (c *Command) Interpreters() (out []string) {
	for _, f := range c.Contents {
		line, isScript := strings.CutPrefix(firstLine(f.Content), "#!")
		if !isScript {
			continue
		}
		words := strings.Fields(line)
		if len(words) > 1 && strings.HasSuffix(words[0], "/env") {
			words = words[:2]
		} else if len(words) > 0 {
			words = words[:1]
		}
		out = append(out, words...)
	}
	return out
}

// firstLine is the first line, at most 256 bytes of it.
func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b[:min(len(b), 256)]), "\n")
	return line
}
