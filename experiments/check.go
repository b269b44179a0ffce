// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// check returns the first fault of a definition.
func check(e harness.Experiment, v Vocabulary) error {
	var family harness.Family
	var unknown error
	if v.Families != nil {
		family, unknown = v.Families[e.Family], harness.Known("family", e.Family, keys(v.Families))
	}
	families := v.Families
	place := "family"
	if e.Family == e.Name { // its default
		place = "name"
	}
	g := e.Guest
	return cmp.Or(
		at(harness.CheckName("experiment", e.Name), "name"),
		at(unknown, place),
		at(refuse(e.Title == "", "experiment %s: title is missing", e.Name), "title"),
		at(refuse(e.Question == "", "experiment %s: question is missing", e.Name), "question"),
		at(checkTargets(e.Targets), "targets"),
		at(in("guest", checkGuest(g)), "guest"),
		in("guest", at(optional("root of guests", g.Root, []string{"host", "image"}), "guest", "root")),
		refuse(len(e.Variants) == 0, "no variants"),
		at(each("variant", e.Variants, variantName, func(v harness.Variant) error {
			return cmp.Or(checkMethod(v.Attach, e.Family, families), checkVariant(v, family), in("original", at(checkOriginal(e, v), "original")))
		}), "variants"),
		in("aa", at(harness.Known("variant", e.AA, e.VariantNames()), "aa")),
		in("baseline", at(optional("variant", e.Baseline, e.VariantNames()), "baseline")),
		in("answers", at(first(e.Answers, func(a harness.Answer) error { return checkAnswer(e, a) }), "answers")),
		in("answerplot", at(optional("plot", e.AnswerPlot, harness.Map(e.Plots, func(p harness.PlotSpec) string { return p.Name })), "answerplot")),
		at(each("workload", e.Workloads, workloadName, func(w harness.WorkloadSpec) error { return checkWorkload(e, w, family) }), "workloads"),
		refuse(len(e.Profiles) == 0, "no profiles"),
		at(each("profile", e.Profiles, func(p harness.Profile) string { return p.Name },
			func(p harness.Profile) error { return checkProfile(e, p, family) }), "profiles"),
		at(each("score", e.Scores, func(s harness.Score) string { return s.Name }, func(s harness.Score) error { return checkScore(e, s) }), "scores"),
		at(each("law", e.Laws, func(l harness.Law) string { return l.Name }, func(l harness.Law) error { return checkLaw(e, l) }), "laws"),
		at(each("plot", e.Plots, func(p harness.PlotSpec) string { return p.Name }, func(p harness.PlotSpec) error { return checkPlot(e, p) }), "plots"),
	)
}

// The bounds of a guest: QEMU has a machine of so many CPUs, and package vm refuses one with less memory (MiB). The most finds a slip.
const (
	maxCPUs   = 255
	minMemory = 160
	maxMemory = 1 << 20
)

func checkGuest(g harness.GuestSpec) error {
	bound := func(key string, n, least, most int) error {
		return at(refuse(n != 0 && (n < least || n > most), "%s is %d, want %d to %d", key, n, least, most), key)
	}
	return cmp.Or(
		bound("cpus", g.CPUs, 1, maxCPUs), bound("exactcpus", g.ExactCPUs, 1, maxCPUs),
		bound("exactparts", g.ExactParts, 1, maxCPUs), bound("exactgates", g.ExactGates, 1, maxCPUs),
		bound("memorymb", g.MemoryMB, minMemory, maxMemory),
	)
}

func checkTargets(targets []string) error {
	for i, t := range targets {
		twice := refuse(slices.Contains(targets[:i], t), "target %s is given twice", t)
		if err := cmp.Or(harness.Known("target", t, harness.Targets()), twice); err != nil {
			return at(err, i)
		}
	}
	return nil
}

// checkOriginal checks that a port names another variant of the definition as its original.
func checkOriginal(e harness.Experiment, v harness.Variant) error {
	return cmp.Or(
		refuse(v.Original == "" && v.Control, "none: a control needs one that it differs from"),
		refuse(v.Original != "" && v.Original == v.Name, "%s is the variant itself", v.Original),
		optional("variant", v.Original, e.VariantNames()),
	)
}

// checkMethod returns an error for a method that another family has.
func checkMethod(method, family string, families map[string]harness.Family) error {
	if families[family] == nil || slices.Contains(families[family].Methods(), method) {
		return nil
	}
	for _, other := range keys(families) {
		if methods := families[other].Methods(); slices.Contains(methods, method) {
			return at(fmt.Errorf("attach: %s belongs to family %s; this is family %s, which has %s", method, other, family,
				strings.Join(families[family].Methods(), ", ")), "attach")
		}
	}
	return nil
}

func checkVariant(v harness.Variant, family harness.Family) error {
	base, isAA := strings.CutSuffix(v.Name, harness.SuffixAA)
	var method, settings error
	if family != nil {
		method = harness.Known("attach method", v.Attach, family.Methods())
		settings = checkSettings(v, harness.Settings(family, v.Attach))
	}
	return cmp.Or(
		at(refuse(isAA, "the ending %s is kept for the second measurement of %s", harness.SuffixAA, base), "name"),
		refuse(v.Class == "", "no class: give one, or be like another variant"),
		at(harness.CheckName("class", v.Class), "class"),
		refuse(v.Attach == "", "no attach method"),
		at(method, "attach"),
		at(refuse(v.About == "", "about is empty: say what it is and what extra work it does"), "about"),
		at(refuse(v.Object != "" && v.Source != "", "source: it has an object, too: name one of them"), "source"),
		at(refuse(v.Object == "" && v.Source == "" && len(v.Knobs) > 0, "knobs are variables of a BPF object, and it has none"), "knobs"),
		at(settings, "settings"),
		at(refuse(v.Algorithm != "" && v.Attach != "tcp-cc" && v.Attach != harness.AttachCommand, "algorithm: only with attach: tcp-cc or command"), "algorithm"),
		at(checkCommand(v), "command"),
		at(unique("setting", v.Settings, func(s harness.Setting) string { return s.Name }), "settings"),
		at(unique("knob", v.Knobs, func(k harness.Knob) string { return k.Name }), "knobs"),
	)
}

// checkSettings checks a variant's settings against the values that its method has.
func checkSettings(v harness.Variant, known map[string][]string) error {
	return first(v.Settings, func(s harness.Setting) error {
		return cmp.Or(
			refuse(len(known) == 0, "setting %s: method %s has no settings", s.Name, v.Attach),
			at(harness.Known("setting", s.Name, keys(known)), "name"),
			at(harness.Known("value of setting "+s.Name, s.Value, known[s.Name]), "value"),
		)
	})
}

// reservedAxes are the keys that every benchmark name has by itself.
var reservedAxes = []string{"workload", "class", "variant"}

func checkWorkload(e harness.Experiment, w harness.WorkloadSpec, family harness.Family) error {
	var unknown error
	if family != nil {
		unknown = cmp.Or(
			at(harness.Known("workload", w.Name, family.Workloads()), "name"),
			at(first(w.Axes, func(a harness.Axis) error { return at(harness.Known("axis", a.Name, family.Axes()), "name") }), "axes"),
		)
	}
	return cmp.Or(
		unknown,
		at(unique("axis", w.Axes, axisName), "axes"),
		at(first(w.Axes, func(a harness.Axis) error {
			return cmp.Or(
				refuse(slices.Contains(reservedAxes, a.Name), "axis %s: the record uses this name itself", a.Name),
				checkValues(a, family),
			)
		}), "axes"),
		in("classes", at(first(w.Classes, func(c string) error { return harness.Known("class", c, classesOf(e)) }), "classes")),
		refuse(len(w.Metrics) == 0, "no metrics"),
		at(checkMetrics(w.Metrics), "metrics"),
	)
}

func checkMetrics(metrics []harness.MetricSpec) error {
	for i, m := range metrics {
		twice := slices.ContainsFunc(metrics[:i], func(o harness.MetricSpec) bool { return o.Unit == m.Unit })
		if err := cmp.Or(
			at(checkUnit(m.Unit), "unit"),
			at(refuse(twice, "unit %q is given twice", m.Unit), "unit"),
			in("unit "+m.Unit, cmp.Or(
				at(harness.Known("way in better", m.Better, []string{"higher", "lower", "neither"}), "better"),
				at(optional("way to compare", m.Compare, harness.CompareWays()), "compare"),
				at(refuse(!(m.Least >= 0), "least is %v, want a difference above 0", m.Least), "least"),
				at(refuse(m.Least >= 1 && !m.Difference(), "least is %v, and ratios are compared: want a relative difference below 1, such as 0.03", m.Least), "least"),
			)),
		); err != nil {
			return at(err, i)
		}
	}
	return nil
}

func checkValues(a harness.Axis, family harness.Family) error {
	return cmp.Or(
		refuse(len(a.Values) == 0, "axis %s: no values", a.Name),
		in("axis "+a.Name, at(first(a.Values, func(v string) error { return harness.CheckAxis(family, a.Name, v) }), "values")),
		at(unique("value of axis "+a.Name, a.Values, func(s string) string { return s }), "values"),
	)
}

// refuse returns the text as an error if bad.
func refuse(bad bool, format string, args ...any) error {
	if !bad {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// optional is harness.Known for a word that may be left out.
func optional(kind, word string, known []string) error {
	if word == "" {
		return nil
	}
	return harness.Known(kind, word, known)
}

// first returns the first error of check.
func first[T any](items []T, check func(T) error) error {
	for i, it := range items {
		if err := check(it); err != nil {
			return at(err, i)
		}
	}
	return nil
}

// each checks that the names of items are unique, and then each item. Errors of check begin with the item's name.
func each[T any](kind string, items []T, name func(T) string, check func(T) error) error {
	return cmp.Or(
		unique(kind, items, name),
		first(items, func(it T) error { return in(kind+" "+name(it), check(it)) }),
	)
}

// unique checks names by harness.CheckName, and that none is given twice.
func unique[T any](kind string, items []T, name func(T) string) error {
	seen := make(map[string]bool, len(items))
	for i, it := range items {
		n := name(it)
		if err := harness.CheckName(kind, n); err != nil {
			return at(fmt.Errorf("item %d: %w", i+1, err), place(items, i)...)
		}
		if seen[n] {
			return at(fmt.Errorf("%s %q is given twice", kind, n), place(items, i)...)
		}
		seen[n] = true
	}
	return nil
}

// place is where the name of an item stands: the item itself if it is a word.
func place[T any](items []T, i int) []any {
	if _, word := any(items[i]).(string); word {
		return []any{i}
	}
	return []any{i, "name"}
}

// The amounts and what they are divided by. Only base units: readers of the benchmark format rescale "ns" and "MB/s".
var (
	amounts = []string{"pkt", "conn", "req", "op", "B", "bit", "sec", "cpu-ns", "insn", "broken", "share", "switch", "migration", harness.UnitFate}
	pers    = []string{"s", "pkt", "seg", "conn", "req", "op", "B", "update", "sync", "switch", "run"}
)

// checkUnit returns an error unless unit is an amount, or an amount per something, where the amount may be qualified by
// words before it: "pkt/s", "sec", "p99-sec", "moved-share", "sec/update".
func checkUnit(unit string) error {
	amount, per, isRate := strings.Cut(unit, "/")
	if err := harness.CheckName("unit", amount); err != nil {
		return err
	}
	if isRate {
		if err := harness.Known("base unit after the slash in "+unit, per, pers); err != nil {
			return err
		}
	}
	for _, a := range amounts {
		if amount == a || strings.HasSuffix(amount, "-"+a) && !strings.HasSuffix(amount, "cpu-"+a) {
			return nil
		}
	}
	return fmt.Errorf("unit %s: %w", unit, harness.Known("base unit", amount, amounts))
}
