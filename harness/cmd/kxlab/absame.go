// SPDX-License-Identifier: Apache-2.0

package main

import (
	"reflect"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// sameCode reports whether A and B are the same code, put in force alike: then nothing but chance could differ. count is how many
// instructions that are.
func (p *pair) sameCode(f progFlags) (count int, same bool) {
	programs, maps := f.names(), f.mapFiles()
	if p.single || p.a.Object == "" || p.b.Object == "" || programs[0] != programs[1] || maps[0] != maps[1] {
		return 0, false
	}
	like := func(v harness.Variant) harness.Variant {
		v.Name, v.Object, v.About, v.Hue = "", "", "", ""
		return v
	}
	if !reflect.DeepEqual(like(p.a), like(p.b)) {
		return 0, false
	}
	a, err := bpf.Open(p.a.Object)
	if err != nil {
		return 0, false
	}
	b, err := bpf.Open(p.b.Object)
	if err != nil || !bpfobj.Same(a, b) {
		return 0, false
	}
	for _, prog := range a.Programs {
		count += len(prog.Instructions)
	}
	return count, true
}

// answerSame answers without a measurement if A and B are the same code; done reports that it did. It does not if the user asked for
// --fresh, or named one program twice to see the noise, or wants a format that other programs read: its rows have to be there.
func (p *pair) answerSame(s streams, f abFlags) (done bool, err error) {
	if f.fresh || p.words[0] == p.words[1] || f.format != "text" && f.format != "markdown" {
		return false, nil
	}
	n, same := p.sameCode(f.progFlags)
	if !same {
		return false, nil
	}
	err = s.say("No difference is shown between %s and %s: they are the same code, all %d instructions, maps and values of variables. "+
		"Nothing was measured (--fresh measures).\n\n", p.words[0], p.words[1], n)
	return true, err
}
