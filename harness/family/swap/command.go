// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// A command is one call of a program of the distribution.
type command struct {
	tool, pkg string // pkg: its package
	args      []string
	input     string
}

// run runs the command in the namespace of the calling thread, which must be locked: see sys.RunTool.
func (c command) run(ctx context.Context) error {
	path, err := sys.LookTool(c.tool, c.pkg)
	if err != nil {
		return err
	}
	_, err = sys.RunTool(ctx, path, []byte(c.input), c.args...)
	return err
}

// missing returns a skip if a program cannot set a table at all: the kernel or the program lacks what the table needs.
func missing(table string, err error) error {
	var failed sys.ToolError
	if errors.As(err, &failed) {
		return harness.Skip("this kernel or tool lacks what %s needs: %s", table, failed.Output)
	}
	return err
}
