// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// A CongestionControl is a congestion control in force: sockets can select it by name. Not safe for concurrent use.
type CongestionControl interface {
	harness.Extension
	// Algorithm is the name for TCP_CONGESTION. The name of a BPF variant is unique for the instance and begins with kx_.
	Algorithm() string
	// Replace replaces the operations under the name by a variant's, while flows run. New connections use the new
	// operations; existing connections keep the old ones until they select the name again. After an error the old
	// operations are in force. For the kernel's own algorithms the error wraps ErrNotSupported.
	Replace(ctx context.Context, v harness.Variant) error
}

// methods returns the ways to put a congestion control in force.
func methods(l *bpfobj.Loader) harness.Methods[CongestionControl] {
	return harness.Methods[CongestionControl]{
		"struct_ops": func(_ context.Context, v harness.Variant, _ harness.Site) (CongestionControl, error) {
			return newStructOps(l, v)
		},
		"tcp-cc": func(_ context.Context, v harness.Variant, at harness.Site) (CongestionControl, error) {
			return newKernelCC(v, at)
		},
		harness.AttachCommand: newProgramCC,
	}
}
