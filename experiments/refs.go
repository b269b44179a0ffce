// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/law"
)

// checkProfile checks that a profile only names what the definition declares.
func checkProfile(e harness.Experiment, p harness.Profile, family harness.Family) error {
	return cmp.Or(
		at(refuse(p.Repeats < 1, "repeats is %d, must be 1 or more", p.Repeats), "repeats"),
		at(refuse(p.Measure <= 0, "measure is %v, must be more than 0", p.Measure), "measure"),
		at(refuse(p.Warm < 0, "warm is %v, must not be negative", p.Warm), "warm"),
		refuse(len(p.Workloads) == 0, "no workloads"),
		checkBudgets(p.VM, p.Exact),
		at(first(p.Workloads, func(pw harness.ProfileWorkload) error {
			w, err := e.Workload(pw.Name)
			return cmp.Or(at(err, "name"), in("workload "+w.Name, checkSelection(e, w, pw, family)))
		}), "workloads"),
	)
}

const negative = "repeats, measure and warm must not be negative"

func checkBudgets(vm, exact harness.Budgets) error {
	bad := func(b harness.Budgets) bool { return b.Repeats < 0 || b.Measure < 0 || b.Warm < 0 }
	return cmp.Or(
		at(refuse(bad(vm), harness.TargetVM+": "+negative), "vm"),
		at(refuse(bad(exact), harness.TargetExact+": "+negative), "exact"),
	)
}

func checkSelection(e harness.Experiment, w harness.WorkloadSpec, pw harness.ProfileWorkload, family harness.Family) error {
	return cmp.Or(
		refuse(pw.Repeats < 0 || pw.Measure < 0 || pw.Warm < 0, negative),
		checkBudgets(pw.VM, pw.Exact),
		at(checkTargets(pw.Targets), "targets"),
		at(unique("axis", pw.Axes, axisName), "axes"),
		at(first(pw.Axes, func(a harness.Axis) error {
			return cmp.Or(
				at(harness.Known("axis", a.Name, w.AxisNames()), "name"),
				at(refuse(a.Setup, "axis %s: setup belongs to the workload's declaration", a.Name), "setup"),
				checkValues(a, family),
			)
		}), "axes"),
		in("only", at(knownVariants(e, pw.Only), "only")),
		at(unique("variant in only", pw.Only, func(s string) string { return s }), "only"),
	)
}

func knownVariants(e harness.Experiment, variants []string) error {
	return first(variants, func(v string) error { return harness.Known("variant", v, e.VariantNames()) })
}

// classesOf are the classes of an experiment's variants.
func classesOf(e harness.Experiment) []string {
	classes := harness.Map(e.Variants, func(v harness.Variant) string { return v.Class })
	slices.Sort(classes)
	return slices.Compact(classes)
}

// checkPlot checks that a plot only draws what workloads report.
func checkPlot(e harness.Experiment, p harness.PlotSpec) error {
	w, err := e.Workload(p.Workload)
	return cmp.Or(
		at(err, "workload"),
		at(harness.Known("unit", p.Unit, w.Units()), "unit"),
		checkKind(p, w),
		in("only", at(knownVariants(e, p.Only), "only")),
		at(optional("class", p.Class, classesOf(e)), "class"),
		checkWhere(w, p.Where),
	)
}

// checkAnswer checks that an answer only names what workloads report.
func checkAnswer(e harness.Experiment, a harness.Answer) error {
	w, err := e.Workload(a.Workload)
	return cmp.Or(
		refuse(a.Need == "", "need is empty: say what is needed"),
		at(err, "workload"),
		at(harness.Known("unit", a.Unit, w.Units()), "unit"),
		checkWhere(w, a.Where),
		refuse((len(a.Of) > 0) != (len(a.Over) > 0), "of and over: a need that has one has both"),
		refuse(harness.Count([]bool{a.Price, a.Whole != 0, len(a.Of) > 0}, func(has bool) bool { return has }) > 1, "price, whole, and of with over: a need has one of them at most"),
		in("zero", at(optional("unit", a.Zero, w.Units()), "zero")),
		at(refuse(a.Zero != "" && a.Whole == 0, "zero: a need that has it has whole too"), "zero"),
		in("of", at(knownVariants(e, a.Of), "of")),
		in("over", at(knownVariants(e, a.Over), "over")),
	)
}

// checkKind checks that a plot has what its kind needs along the abscissa, and nothing that its kind does not draw.
func checkKind(p harness.PlotSpec, w harness.WorkloadSpec) error {
	series := slices.Contains([]string{harness.PlotSeries, harness.PlotCDF, harness.PlotFlows, harness.PlotTimeline}, p.Kind)
	return cmp.Or(
		at(optional("kind", p.Kind, harness.PlotKinds()), "kind"),
		at(refuse(p.Kind == "" && p.X == "" && p.LogX, "logx without an axis along x"), "logx"),
		refuse(p.Kind == harness.PlotHeatmap && p.X == "", "x: kind heatmap needs an axis for its columns"),
		refuse(p.Kind != "" && p.Kind != harness.PlotHeatmap && p.X != "", "x: kind %s has no axis along x", p.Kind),
		refuse(series != (p.Series != ""), "series: the kinds series, cdf, flows and timeline need it, others have none"),
		refuse(p.Marks != "" && p.Kind != harness.PlotSeries, "marks: only kind series has them"),
		refuse((p.Kind == harness.PlotScatter) != (p.Against != ""), "against: kind scatter needs it, others have none"),
		in("against", at(optional("unit", p.Against, w.Units()), "against")),
		in("x", at(optional("axis", p.X, w.AxisNames()), "x")),
	)
}

// checkWhere checks axis values that select cells of a workload.
func checkWhere(w harness.WorkloadSpec, where []harness.AxisValue) error {
	return in("where", at(first(where, func(a harness.AxisValue) error {
		return cmp.Or(at(harness.Known("axis", a.Name, w.AxisNames()), "name"), at(harness.CheckName("value of axis "+a.Name, a.Value), "value"))
	}), "where"))
}

// checkScore checks that a score only names what is declared, and has bounds.
func checkScore(e harness.Experiment, s harness.Score) error {
	w, err := e.Workload(s.Workload)
	return cmp.Or(
		at(err, "workload"),
		at(harness.Known("unit", s.Unit, w.Units()), "unit"),
		at(harness.Known("variant", s.Variant, e.VariantNames()), "variant"),
		in("over", at(optional("variant", s.Over, e.VariantNames()), "over")),
		refuse(s.About == "", "about is empty: say what it stands for"),
		at(refuse(s.Over == s.Variant, "over: %s is the variant itself", s.Over), "over"),
		refuse(s.Least == nil && s.Most == nil, "neither least nor most is given"),
		checkBounds(s.Least, s.Most),
		checkWhere(w, s.Where),
	)
}

func checkBounds(least, most *float64) error {
	if least != nil && most != nil && *least > *most {
		return fmt.Errorf("least %g is more than most %g", *least, *most)
	}
	return nil
}

// checkLaw checks that a law only names what is declared, and that its formula has all of its parameters.
func checkLaw(e harness.Experiment, l harness.Law) error {
	w, err := e.Workload(l.Workload)
	f, unknown := law.Find(l.Formula)
	return cmp.Or(
		at(err, "workload"),
		at(harness.Known("unit", l.Unit, w.Units()), "unit"),
		refuse(len(l.Variants) == 0, "no variants"),
		at(knownVariants(e, l.Variants), "variants"),
		at(unknown, "formula"),
		refuse(l.About == "", "about is empty: say what it is"),
		refuse(l.Source == "" && f.Source == "", "source is empty: say where it is from"),
		at(refuse(l.Tolerance <= 0 || l.Tolerance >= 1, "tolerance %g: want a part of the prediction, between 0 and 1", l.Tolerance), "tolerance"),
		at(refuse(!slices.Contains([]string{"", harness.LawMost, harness.LawLeast}, l.Side), "side %q: want most, least or none", l.Side), "side"),
		checkParams(l, f, w),
		checkWhere(w, l.Where),
	)
}

// checkParams checks that the parameters are the formula's, and that each has one origin.
func checkParams(l harness.Law, f law.Formula, w harness.WorkloadSpec) error {
	name := func(p harness.LawParam) string { return p.Name }
	return cmp.Or(
		at(unique("parameter", l.Params, name), "params"),
		at(first(l.Params, func(p harness.LawParam) error {
			origins := harness.Count([]bool{p.Value != 0, p.Axis != "", p.Unit != ""}, func(given bool) bool { return given })
			return cmp.Or(
				at(harness.Known("parameter of "+l.Formula, p.Name, f.Params), "name"),
				in("parameter "+p.Name, cmp.Or(
					at(optional("axis", p.Axis, w.AxisNames()), "axis"),
					at(optional("unit", p.Unit, w.Units()), "unit"),
					refuse(origins != 1, "want one of value, axis and unit"),
				)),
			)
		}), "params"),
		first(f.Params, func(p string) error {
			return refuse(!slices.Contains(harness.Map(l.Params, name), p), "parameter %s of %s is not given", p, l.Formula)
		}),
	)
}

func variantName(v harness.Variant) string       { return v.Name }
func workloadName(w harness.WorkloadSpec) string { return w.Name }
func axisName(a harness.Axis) string             { return a.Name }

func keys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
