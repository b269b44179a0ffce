// SPDX-License-Identifier: Apache-2.0

package flame

import (
	"fmt"
	"io"
	"math"
	"slices"

	pprof "github.com/google/pprof/profile"

	"github.com/kxlab/kxlab/harness/profile"
)

// WritePprof writes a profile as a pprof file. Functions of the kernel, of BPF programs and of programs are in mappings of their own.
// The file has no date.
func WritePprof(w io.Writer, p profile.Profile) error {
	out := &pprof.Profile{DurationNanos: int64(math.Round(p.Window)), Comments: slices.Clone(p.Notes)}
	unit := "nanoseconds"
	if p.Unit == "insn" {
		unit = "count" // of instructions
	}
	if p.Kind == profile.OnCPU {
		out.SampleType = []*pprof.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: unit}}
		out.PeriodType, out.Period = &pprof.ValueType{Type: "cpu", Unit: unit}, int64(math.Round(p.Period))
	} else {
		out.SampleType = []*pprof.ValueType{{Type: "delay", Unit: unit}}
	}
	m := mappings{out: out, functions: map[string]*pprof.Location{}, of: map[profile.FrameKind]*pprof.Mapping{}}
	for _, kind := range []profile.FrameKind{profile.User, profile.InKernel, profile.BPF} {
		m.add(kind)
	}
	for _, s := range p.Stacks {
		sample := &pprof.Sample{Value: []int64{int64(math.Round(s.Value))}}
		if p.Kind == profile.OnCPU && p.Period > 0 {
			sample.Value = []int64{int64(math.Round(s.Value / p.Period)), sample.Value[0]}
		}
		for _, f := range slices.Backward(s.Frames()) {
			sample.Location = append(sample.Location, m.location(f))
		}
		out.Sample = append(out.Sample, sample)
	}
	if err := out.CheckValid(); err != nil {
		return fmt.Errorf("write pprof file: %w", err)
	}
	return out.Write(w)
}

// mappings give each function of a profile a location.
type mappings struct {
	out       *pprof.Profile
	of        map[profile.FrameKind]*pprof.Mapping
	functions map[string]*pprof.Location
}

func (m *mappings) add(kind profile.FrameKind) {
	name := map[profile.FrameKind]string{profile.User: "[programs]", profile.InKernel: "[kernel]", profile.BPF: "[bpf]"}[kind]
	n := uint64(len(m.out.Mapping) + 1)
	m.of[kind] = &pprof.Mapping{ID: n, Start: n << 40, Limit: (n + 1) << 40, File: name, HasFunctions: true}
	m.out.Mapping = append(m.out.Mapping, m.of[kind])
}

func (m *mappings) location(frame string) *pprof.Location {
	if l := m.functions[frame]; l != nil {
		return l
	}
	kind, name := profile.KindOf(frame)
	if kind == profile.Waiting {
		kind = profile.InKernel
	}
	id := uint64(len(m.out.Location) + 1)
	f := &pprof.Function{ID: id, Name: name, SystemName: name}
	l := &pprof.Location{ID: id, Mapping: m.of[kind], Address: m.of[kind].Start + id, Line: []pprof.Line{{Function: f}}}
	m.out.Function, m.out.Location = append(m.out.Function, f), append(m.out.Location, l)
	m.functions[frame] = l
	return l
}
