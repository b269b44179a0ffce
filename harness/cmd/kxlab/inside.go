// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/vm"
)

// jobPath is the path of a guest's job, in a folder that it does not share with this machine.
const jobPath = "/tmp/kxlab/job.json"

// newInside is the hidden command that guests of a run execute.
func newInside(s streams, families map[string]harness.Family) *cobra.Command {
	return &cobra.Command{
		Use: "inside", Short: "Run a job in a guest", Hidden: true, Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			raw, err := os.ReadFile(jobPath)
			if err != nil {
				return fmt.Errorf("read job: %w (this command is for guests of kxlab run)", err)
			}
			var j runner.Job
			if err := json.Unmarshal(raw, &j); err != nil {
				return fmt.Errorf("read job: %w", err)
			}
			return runner.Inside(cmd.Context(), j, families, vm.NewAckWriter(s.out))
		}),
	}
}
