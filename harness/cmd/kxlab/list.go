// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/host"
	"github.com/kxlab/kxlab/harness/runner"
)

func newList(s streams, words experiments.Vocabulary) *cobra.Command {
	var asJSON, asYAML bool
	var with []string
	var clang string
	cmd := &cobra.Command{
		Use: "list [EXPERIMENT]", Short: "Experiments, variants, axes, and the targets each can run on; or a definition of your own, checked",
		Args: cobra.MaximumNArgs(1), ValidArgs: experiments.Names(),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if asJSON && asYAML || asYAML && len(args) == 0 {
				return usage(errors.New("--yaml: it writes one definition, and not with --json"))
			}
			if len(args) == 0 {
				return listAll(s, words, asJSON)
			}
			words := withObjects(cmd.Context(), words, clang)
			e, err := open(args[0], words)
			if err == nil {
				e, err = addFolders(cmd.Context(), s, words, e, with, clang)
			}
			if err == nil {
				err = checkListed(cmd.Context(), words, e)
			}
			if err != nil {
				return err
			}
			if asYAML {
				return experiments.Write(s.out, e)
			}
			l, err := newListing(cmd.Context(), words, e)
			if err != nil {
				return err
			}
			if asJSON {
				return s.json(l)
			}
			return l.print(s)
		}),
	}
	fl := cmd.Flags()
	fl.BoolVar(&asJSON, "json", false, "write JSON")
	fl.BoolVar(&asYAML, "yaml", false, "write the experiment as a definition in which nothing is inherited")
	fl.StringSliceVar(&with, "with", nil, "folders whose sources and objects (NAME.bpf.c, NAME.bpf.o) are variants, too")
	fl.StringVar(&clang, "clang", "", "the compiler of sources (default: the first clang that is installed)")
	return cmd
}

func listAll(s streams, words experiments.Vocabulary, asJSON bool) error {
	type row struct {
		Name     string   `json:"name"`
		Title    string   `json:"title"`
		Variants int      `json:"variants"`
		Profiles []string `json:"profiles"`
	}
	var rows []row
	for _, name := range experiments.Names() {
		e, err := open(name, words)
		if err != nil {
			return err
		}
		profiles := harness.Map(e.Profiles, func(p harness.Profile) string { return p.Name })
		rows = append(rows, row{e.Name, e.Title, len(e.Variants), profiles})
	}
	if asJSON {
		return s.json(rows)
	}
	w := s.table()
	fmt.Fprintln(w, "EXPERIMENT\tTITLE\tVARIANTS\tPROFILES")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", r.Name, r.Title, r.Variants, strings.Join(r.Profiles, ", "))
	}
	return w.Flush()
}

// A listing is one experiment, with what can run here.
type listing struct {
	Name      string                 `json:"name"`
	Title     string                 `json:"title"`
	Question  string                 `json:"question"`
	AA        string                 `json:"aa"`
	Targets   []string               `json:"targets"`
	Variants  []listedVariant        `json:"variants"`
	Workloads []harness.WorkloadSpec `json:"workloads"`
	Profiles  []listedProfile        `json:"profiles"`
}

type listedVariant struct {
	harness.Variant
	Host string `json:"host"` // "yes", or why not
}

type listedProfile struct {
	Name   string `json:"name"`
	Cells  int    `json:"cells"`
	Trials int    `json:"trials"`
	About  string `json:"about"` // how long it takes
}

// A guestFamily has methods that work in guests alone, because they would change the whole machine.
type guestFamily interface{ GuestMethods() []string }

func newListing(ctx context.Context, words experiments.Vocabulary, e harness.Experiment) (listing, error) {
	l := listing{Name: e.Name, Title: e.Title, Question: e.Question, AA: e.AA, Targets: e.TargetsOr(), Workloads: e.Workloads}
	rows, err := host.Probe(ctx)
	if err != nil {
		return l, err
	}
	var inGuests []string
	if f, ok := words.Families[e.Family].(guestFamily); ok {
		inGuests = f.GuestMethods()
	}
	for _, v := range e.Variants {
		can := cmp.Or(host.Missing(rows, v.Attach), "yes")
		if slices.Contains(inGuests, v.Attach) {
			can = "no, in guests only"
		}
		l.Variants = append(l.Variants, listedVariant{Variant: v, Host: can})
	}
	for _, p := range e.Profiles {
		plan, err := runner.NewPlan(e, runner.Selection{Profile: p.Name, Target: e.TargetsOr()[0]})
		if err != nil {
			return l, fmt.Errorf("profile %s: %w", p.Name, err)
		}
		l.Profiles = append(l.Profiles, listedProfile{
			Name: p.Name, Cells: plan.Cells(), Trials: plan.Trials(), About: seconds(estimate(plan)),
		})
	}
	return l, nil
}

func (l listing) print(s streams) error {
	fmt.Fprintf(s.out, "%s: %s\n%s\nMeasured twice, for the run's own noise: %s\n\n", l.Name, l.Title, l.Question, l.AA)
	w := s.table()
	fmt.Fprintln(w, "VARIANT\tCLASS\tATTACH\tOBJECT\tON HOST\tABOUT")
	for _, v := range l.Variants {
		object := cmp.Or(v.Source, v.Object, "-")
		for _, k := range v.Knobs {
			object += fmt.Sprintf(" %s=%d", k.Name, k.Value)
		}
		for _, k := range v.Settings {
			object += fmt.Sprintf(" %s=%s", k.Name, k.Value)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Name, v.Class, v.Attach, object, v.Host, v.About)
	}
	fmt.Fprintln(w, "\nWORKLOAD\tAXES (default values)\tREPORTS\tABOUT")
	for _, wl := range l.Workloads {
		axes := harness.Map(wl.Axes, func(a harness.Axis) string { return a.Name + "=" + strings.Join(a.Values, ",") })
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", wl.Name, strings.Join(axes, " "), strings.Join(wl.Units(), " "), wl.About)
	}
	fmt.Fprintln(w, "\nPROFILE\tCELLS\tTRIALS\tTAKES ABOUT")
	for _, p := range l.Profiles {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", p.Name, p.Cells, p.Trials, p.About)
	}
	fmt.Fprintf(w, "\nTargets: %s (the first is taken where none is named)\n", strings.Join(l.Targets, ", "))
	return w.Flush()
}
