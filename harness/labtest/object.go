// SPDX-License-Identifier: Apache-2.0

package labtest

import (
	"bytes"
	"embed"
	"fmt"

	"github.com/cilium/ebpf"
)

// objects are programs that are wrong on purpose, each with its source beside it.
//
//go:embed testdata/*.bpf.o
var objects embed.FS

// Object reads one of the programs that are wrong on purpose: refused, misspelt_cc, misspelt_scx.
func Object(name string) (*ebpf.CollectionSpec, error) {
	raw, err := objects.ReadFile("testdata/" + name + ".bpf.o")
	if err != nil {
		return nil, fmt.Errorf("open object %s: %w", name, err)
	}
	return ebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
}
