// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/vm"
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

// nowhere returns why no target can run anything, or "" if one can.
func nowhere(rows []host.Capability) string {
	var why []string
	for _, target := range harness.GroupBy(rows, func(r host.Capability) string { return r.Target }) {
		r, lacks := harness.Find(target, func(r host.Capability) bool { return r.Vital && !r.OK })
		if !lacks {
			return ""
		}
		why = append(why, "target "+r.Target+": "+r.What+": "+r.Detail)
	}
	slices.Sort(why)
	return strings.Join(why, "; ")
}

// guestRows probes the targets that boot guests.
func guestRows(ctx context.Context) ([]host.Capability, error) {
	qemu, qemuErr := vm.QEMUVersion(ctx)
	var rows []host.Capability
	targets := []string{harness.TargetVM, harness.TargetExact}
	for _, target := range targets {
		row := host.Capability{What: "QEMU", Target: target, For: "everything", Vital: true, OK: qemuErr == nil, Detail: qemu}
		if qemuErr != nil {
			row.Detail, row.Fix = qemuErr.Error(), "apt-get install qemu-system-x86"
		}
		rows = append(rows, row)
	}
	kernels, cacheErr := vm.Cached()
	for _, target := range targets {
		row := host.Capability{What: "a kernel", Target: target, For: "everything", OK: len(kernels) > 0}
		switch {
		case row.OK:
			row.Detail = kernels[0].Release
		case cacheErr != nil: // a run needs the cache as well
			row.Vital, row.Detail = true, cacheErr.Error()
		default:
			row.Detail, row.Fix = "none fetched yet: a run fetches the one it needs", "kxlab vm fetch"
		}
		rows = append(rows, row)
	}
	if qemuErr == nil && len(kernels) > 0 {
		v, err := vm.JudgeKVM(ctx, kernels[0])
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		row := host.Capability{What: "KVM", Target: "vm", For: "speed", OK: v.KVM, Detail: v.String()}
		switch {
		case err != nil:
			row.Detail = err.Error()
		case !v.KVM:
			row.Fix = "a machine, or a virtual one, that lends its virtualisation; without it all works, slower"
		}
		rows = append(rows, row)
	}
	row := host.Capability{What: "virtme-ng", Target: "vm", For: "guests with this machine's root; without it --root image"}
	detail, err := vm.FindVirtme()
	if row.OK, row.Detail = err == nil, detail; err != nil {
		row.Detail, row.Fix = err.Error(), "nothing to do if the mirror can be reached; else install virtme-ng, busybox-static, file and kmod"
	}
	return append(rows, row), nil
}
