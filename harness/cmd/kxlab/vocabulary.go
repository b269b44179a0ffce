// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family"
)

// vocabulary is every word that definitions may use: the one place where families and attach methods meet experiments.
func vocabulary() experiments.Vocabulary {
	return experiments.Vocabulary{Families: family.All(bpfobj.Options{})}
}

// open reads an experiment by its name or path. Whatever is wrong with it is wrong usage.
func open(name string, words experiments.Vocabulary) (harness.Experiment, error) {
	e, err := experiments.Open(name, words)
	return e, usage(err)
}
