// SPDX-License-Identifier: Apache-2.0

package harness

// An Outcome is what became of a cell. A cell has one; package runner decides it, the record holds it, and whatever asks
// whether a cell has a number reads it there.
type Outcome string

const (
	// OutcomeMeasured means that at least one trial counts.
	OutcomeMeasured Outcome = "measured"
	// OutcomeNotSupported means that this machine, this kernel or this kind of variant lacks what the cell asks for. Only an
	// error that wraps ErrNotSupported leads here.
	OutcomeNotSupported Outcome = "not supported"
	// OutcomeFailed means that the program or the variant is wrong: it does not load, attach or pass its gate.
	OutcomeFailed Outcome = "failed"
	// OutcomeInvalid means that the cell was tried and no trial counts.
	OutcomeInvalid Outcome = "invalid"
	// OutcomeCaught means that the variant is broken on purpose (ClassBroken) and its gate noticed, as it must.
	OutcomeCaught Outcome = "caught"
)

// Outcomes lists them.
func Outcomes() []Outcome {
	return []Outcome{OutcomeMeasured, OutcomeNotSupported, OutcomeFailed, OutcomeInvalid, OutcomeCaught}
}

// Where an outcome was decided.
const (
	AtSetup = "set-up" // while the place was built or the variant put in force
	AtGate  = "gate"   // by the correctness gate
	AtTrial = "trial"  // while it was measured
	AtGuest = "guest"  // by the death of a guest
)
