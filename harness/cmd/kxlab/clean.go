// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/harness/netlab"
	"github.com/kxlab/kxlab/vm"
)

const cleanLong = `clean removes what runs left that were killed: namespaces with their links, addresses and rules, cgroups, processes and
guests. What belongs to a run that is still alive is left alone, and so is everything that kxlab did not
make.`

func newClean(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "clean", Short: "Remove whatever an interrupted run left", Long: cleanLong, Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			if err := host.RequireRoot(); err != nil {
				return err
			}
			removed, err := netlab.Clean(cmd.Context())
			guests, verr := vm.Clean()
			removed, err = append(removed, guests...), errors.Join(err, verr)
			switch {
			case asJSON:
				return cmp.Or(err, s.json(map[string][]string{"removed": append([]string{}, removed...)}))
			case len(removed) == 0 && err == nil:
				fmt.Fprintln(s.out, "nothing to remove")
			}
			for _, r := range removed {
				fmt.Fprintln(s.out, "removed", r)
			}
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}
