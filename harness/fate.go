// SPDX-License-Identifier: Apache-2.0

package harness

import "fmt"

// A Fate is what became of a program or module with a fault; the value of unit UnitFate. The worse, the higher.
type Fate int

// The fates.
const (
	FateRefused    Fate = iota // not loaded
	FateAccepted               // loaded and not run
	FateHarmless               // run: the kernel made the fault harmless
	FateUnnoticed              // the fault took place, and nothing noticed
	FateLeak                   // kernel memory or a kernel address reached user space
	FateCorruption             // memory of the kernel's was changed, and nothing noticed
	FateOops                   // the kernel reported an exception or a bug
	FateHang                   // a CPU or a task did not come back
)

// UnitFate is the unit whose values are fates.
const UnitFate = "fate"

// Fates names the fates, in their order.
func Fates() []string {
	return []string{"refused", "accepted", "harmless", "unnoticed", "leak", "corruption", "oops", "hang"}
}

func (f Fate) String() string {
	if names := Fates(); f >= 0 && int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("fate %d", int(f))
}

// Harmful reports whether the kernel, or what it guards, was damaged.
func (f Fate) Harmful() bool { return f >= FateLeak }

// Fate is the fate that a trial found; false if it found none.
func (r Result) Fate() (Fate, bool) {
	m, ok := Find(r.Metrics, func(m Metric) bool { return m.Unit == UnitFate })
	return Fate(m.Value), ok
}

// ParseFate reads the name of a fate.
func ParseFate(name string) (Fate, error) {
	for i, known := range Fates() {
		if name == known {
			return Fate(i), nil
		}
	}
	return 0, Known("fate", name, Fates())
}
