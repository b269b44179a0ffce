// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"fmt"
	"slices"

	"github.com/kxlab/kxlab/harness"
)

// attachLoad is the method that loads an object and attaches it to nothing.
const attachLoad = "load"

// addObjects adds the variants of the experiments that a definition takes objects of. These are read as they stand in their
// files: objects that they themselves take from others are not followed.
func addObjects(e *harness.Experiment) error {
	for _, name := range lenders(e) {
		if err := harness.Known("experiment", name, Names()); err != nil {
			return fmt.Errorf("objectsof: %w", err)
		}
		raw, err := files.ReadFile(name + suffix)
		if err != nil {
			return fmt.Errorf("objectsof: %w", err)
		}
		var from harness.Experiment
		if err := decode(raw, &from); err != nil {
			return fmt.Errorf("objectsof %s: %w", name, err)
		}
		for _, v := range from.Variants {
			if v.Object == "" {
				continue
			}
			e.Variants = append(e.Variants, harness.Variant{
				Name: v.Name, Class: name, Attach: attachLoad, Object: v.Object, Knobs: v.Knobs, About: v.About,
			})
		}
	}
	return nil
}

// everyLender, as the only name, stands for all other shipped experiments.
const everyLender = "all"

// lenders names the experiments that a definition takes objects of.
func lenders(e *harness.Experiment) []string {
	if len(e.ObjectsOf) != 1 || e.ObjectsOf[0] != everyLender {
		return e.ObjectsOf
	}
	return slices.DeleteFunc(Names(), func(name string) bool { return name == e.Name })
}
