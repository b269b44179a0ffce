// SPDX-License-Identifier: Apache-2.0

package bpf

import "embed"

//go:embed start/*.c
var starts embed.FS

// Start is the source of a program to start from, of the named family. It has NAME where the program's name belongs.
func Start(family string) ([]byte, error) { return starts.ReadFile("start/" + family + ".c") }
