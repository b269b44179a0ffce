// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"embed"
	"errors"
	"io/fs"
)

//go:embed start/*.c start/*.yaml
var starts embed.FS

// Start is the source of a program to start from, of the named family. It has NAME where the program's name belongs.
func Start(family string) ([]byte, error) { return starts.ReadFile("start/" + family + ".c") }

// StartInput is a description of inputs for that program, with NAME likewise, or nothing where the family takes none.
func StartInput(family string) ([]byte, error) {
	raw, err := starts.ReadFile("start/" + family + ".yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return raw, err
}
