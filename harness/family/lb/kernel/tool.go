// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// A tool is a program of the distribution that sets rules.
type tool struct {
	path string
	name string
}

// findTool looks a tool up. Without it the error wraps harness.ErrNotSupported and names its package.
func findTool(name, pkg string) (tool, error) {
	path, err := sys.LookTool(name, pkg)
	return tool{path, name}, err
}

// run runs the tool in the namespace with the given standard input and returns its standard output: see sys.RunTool. The thread stays in the
// namespace until the tool has ended.
func (t tool) run(ctx context.Context, ns string, input []byte, args ...string) (out []byte, err error) {
	err = sys.InNS(ns, func() (err error) {
		out, err = sys.RunTool(ctx, t.path, input, args...)
		return err
	})
	return out, err
}

// missing returns a skip for the feature if the error is a tool's.
func missing(feature string, err error) error {
	var failed sys.ToolError
	if errors.As(err, &failed) {
		return harness.Skip("this kernel or tool lacks %s: %s", feature, failed.Output)
	}
	return err
}
