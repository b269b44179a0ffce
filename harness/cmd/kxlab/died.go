// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/vm"
)

// died is runner.GuestOptions.Died for a family: nil unless its trials may kill their guests, which run this kernel. The death of a guest is
// a result if its kernel panicked or did not come back; that QEMU failed, or was killed, is none.
func died(f harness.Family, kernel string) func(harness.Variant, harness.Cell, error) (harness.Result, bool, error) {
	m, ok := f.(harness.Mortal)
	if !ok {
		return nil
	}
	return func(v harness.Variant, c harness.Cell, death error) (harness.Result, bool, error) {
		var e *vm.ExitError
		if !errors.As(death, &e) {
			return harness.Result{}, false, nil
		}
		switch e.Cause {
		case vm.CauseHang, vm.CausePanic, vm.CauseSplat, vm.CauseAgentLost:
		default:
			return harness.Result{}, false, nil
		}
		res, err := m.Died(v, c, harness.Death{Kernel: kernel, Hung: e.Cause == vm.CauseHang, Text: e.Error()})
		return res, true, err
	}
}
