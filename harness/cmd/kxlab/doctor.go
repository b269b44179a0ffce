// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness/host"
)

const doctorLong = `doctor tries out what each target needs on this machine, in a throw-away network namespace, and says what is missing and
what adds it. Whether guests can use KVM it finds out by booting one, once for a kernel of this machine. Nothing else that it
makes outlives it. Exit code 4: nothing can run here.`

func newDoctor(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "What each target can run here, what is missing, and the command that adds it",
		Long: doctorLong, Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			rows, err := host.Probe(cmd.Context())
			if err != nil {
				return err
			}
			guests, err := guestRows(cmd.Context())
			if err != nil {
				return err
			}
			rows = append(rows, guests...)
			if asJSON {
				err = s.json(rows)
			} else {
				err = printDoctor(s, rows)
			}
			if err != nil {
				return err
			}
			if why := nowhere(rows); why != "" {
				return unsupported(errors.New("nothing can run here: " + why))
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func printDoctor(s streams, rows []host.Capability) error {
	w := s.table()
	fmt.Fprintln(w, "TARGET\tWHAT\t\tNEEDED FOR\tDETAIL")
	for _, r := range rows {
		state := "ok"
		if !r.OK {
			state = "missing"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Target, r.What, state, r.For, r.Detail)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if !r.OK && r.Fix != "" {
			fmt.Fprintf(s.out, "\n%s (%s) is missing. To get it: %s\n", r.What, r.Target, r.Fix)
		}
	}
	return nil
}

// nowhere says why no target can run anything; "" if one can.
func nowhere(rows []host.Capability) string {
	why := map[string]string{}
	for _, r := range rows {
		if _, known := why[r.Target]; !known {
			why[r.Target] = ""
		}
		if r.Vital && !r.OK && why[r.Target] == "" {
			why[r.Target] = "target " + r.Target + ": " + r.What + ": " + r.Detail
		}
	}
	if slices.Contains(slices.Collect(maps.Values(why)), "") {
		return ""
	}
	return strings.Join(slices.Sorted(maps.Values(why)), "; ")
}
