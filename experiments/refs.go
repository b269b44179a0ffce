// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// checkProfiles checks that profiles only name what the definition declares.
func checkProfiles(e harness.Experiment, family harness.Family) error {
	if len(e.Profiles) == 0 {
		return fmt.Errorf("no profiles")
	}
	if err := unique("profile", e.Profiles, func(p harness.Profile) string { return p.Name }); err != nil {
		return err
	}
	for _, p := range e.Profiles {
		if err := checkProfile(e, p, family); err != nil {
			return fmt.Errorf("profile %s: %w", p.Name, err)
		}
	}
	return nil
}

func checkProfile(e harness.Experiment, p harness.Profile, family harness.Family) error {
	switch {
	case p.Repeats < 1:
		return fmt.Errorf("repeats is %d, must be 1 or more", p.Repeats)
	case p.Measure <= 0:
		return fmt.Errorf("measure is %v, must be more than 0", p.Measure)
	case p.Warm < 0:
		return fmt.Errorf("warm is %v, must not be negative", p.Warm)
	case len(p.Workloads) == 0:
		return fmt.Errorf("no workloads")
	}
	if err := checkBudgets(p.VM, p.Exact); err != nil {
		return err
	}
	for _, pw := range p.Workloads {
		w, err := findWorkload(e, pw.Name)
		if err != nil {
			return err
		}
		if err := checkSelection(e, w, pw, family); err != nil {
			return fmt.Errorf("workload %s: %w", w.Name, err)
		}
	}
	return nil
}

func checkBudgets(vm, exact harness.Budgets) error {
	for target, b := range map[string]harness.Budgets{harness.TargetVM: vm, harness.TargetExact: exact} {
		if b.Repeats < 0 || b.Measure < 0 || b.Warm < 0 {
			return fmt.Errorf("%s: repeats, measure and warm must not be negative", target)
		}
	}
	return nil
}

func checkSelection(e harness.Experiment, w harness.WorkloadSpec, pw harness.ProfileWorkload, family harness.Family) error {
	if pw.Repeats < 0 || pw.Measure < 0 || pw.Warm < 0 {
		return fmt.Errorf("repeats, measure and warm must not be negative")
	}
	if err := checkBudgets(pw.VM, pw.Exact); err != nil {
		return err
	}
	if err := checkTargets(pw.Targets); err != nil {
		return err
	}
	if err := unique("axis", pw.Axes, axisName); err != nil {
		return err
	}
	for _, a := range pw.Axes {
		if err := harness.Known("axis", a.Name, names(w.Axes, axisName)); err != nil {
			return err
		}
		if a.Setup {
			return fmt.Errorf("axis %s: setup belongs to the workload's declaration", a.Name)
		}
		if err := checkValues(a, family); err != nil {
			return err
		}
	}
	for _, v := range pw.Only {
		if err := harness.Known("variant", v, names(e.Variants, variantName)); err != nil {
			return fmt.Errorf("only: %w", err)
		}
	}
	return unique("variant in only", pw.Only, func(s string) string { return s })
}

// checkPlots checks that plots only draw what workloads report.
func checkPlots(e harness.Experiment) error {
	if err := unique("plot", e.Plots, func(p harness.PlotSpec) string { return p.Name }); err != nil {
		return err
	}
	for _, p := range e.Plots {
		if err := checkPlot(e, p); err != nil {
			return fmt.Errorf("plot %s: %w", p.Name, err)
		}
	}
	return nil
}

func checkPlot(e harness.Experiment, p harness.PlotSpec) error {
	w, err := findWorkload(e, p.Workload)
	if err != nil {
		return err
	}
	units := names(w.Metrics, func(m harness.MetricSpec) string { return m.Unit })
	if err := harness.Known("unit", p.Unit, units); err != nil {
		return err
	}
	if err := checkKind(p, units, names(w.Axes, axisName)); err != nil {
		return err
	}
	for _, v := range p.Only {
		if err := harness.Known("variant", v, names(e.Variants, variantName)); err != nil {
			return fmt.Errorf("only: %w", err)
		}
	}
	if p.Class != "" {
		classes := names(e.Variants, func(v harness.Variant) string { return v.Class })
		slices.Sort(classes)
		if err := harness.Known("class", p.Class, slices.Compact(classes)); err != nil {
			return err
		}
	}
	return checkWhere(w, p.Where)
}

// checkKind checks that a plot has what its kind needs along the abscissa, and nothing that its kind does not draw.
func checkKind(p harness.PlotSpec, units, axes []string) error {
	if p.Kind != "" {
		if err := harness.Known("kind", p.Kind, harness.PlotKinds()); err != nil {
			return err
		}
	}
	series := p.Kind == harness.PlotSeries || p.Kind == harness.PlotCDF || p.Kind == harness.PlotFlows || p.Kind == harness.PlotTimeline
	switch {
	case p.Kind == "" && p.X == "" && p.LogX:
		return fmt.Errorf("logx without an axis along x")
	case p.Kind == harness.PlotHeatmap && p.X == "":
		return fmt.Errorf("x: kind heatmap needs an axis for its columns")
	case p.Kind != "" && p.Kind != harness.PlotHeatmap && p.X != "":
		return fmt.Errorf("x: kind %s has no axis along x", p.Kind)
	case series != (p.Series != ""):
		return fmt.Errorf("series: the kinds series, cdf, flows and timeline need it, others have none")
	case p.Marks != "" && p.Kind != harness.PlotSeries:
		return fmt.Errorf("marks: only kind series has them")
	case (p.Kind == harness.PlotScatter) != (p.Against != ""):
		return fmt.Errorf("against: kind scatter needs it, others have none")
	}
	if p.Against != "" {
		if err := harness.Known("unit", p.Against, units); err != nil {
			return fmt.Errorf("against: %w", err)
		}
	}
	if p.X != "" {
		if err := harness.Known("axis", p.X, axes); err != nil {
			return fmt.Errorf("x: %w", err)
		}
	}
	return nil
}

// checkWhere checks axis values that select cells of a workload.
func checkWhere(w harness.WorkloadSpec, where []harness.AxisValue) error {
	for _, a := range where {
		if err := harness.Known("axis", a.Name, names(w.Axes, axisName)); err != nil {
			return fmt.Errorf("where: %w", err)
		}
		if err := harness.CheckName("value of axis "+a.Name, a.Value); err != nil {
			return fmt.Errorf("where: %w", err)
		}
	}
	return nil
}

func findWorkload(e harness.Experiment, name string) (harness.WorkloadSpec, error) {
	for _, w := range e.Workloads {
		if w.Name == name {
			return w, nil
		}
	}
	return harness.WorkloadSpec{}, harness.Known("workload", name, names(e.Workloads, workloadName))
}

func variantName(v harness.Variant) string       { return v.Name }
func workloadName(w harness.WorkloadSpec) string { return w.Name }
func axisName(a harness.Axis) string             { return a.Name }

func names[T any](items []T, name func(T) string) []string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = name(it)
	}
	return out
}

func keys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func cutAA(name string) (string, bool) { return strings.CutSuffix(name, harness.SuffixAA) }
