// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"maps"

	"github.com/kxlab/kxlab/harness"
)

// LBMethods are the ways to put a load balancer in force.
func LBMethods(l *Loader) harness.Methods[harness.Balancer] {
	all := BPFMethods(l)
	maps.Copy(all, KernelMethods())
	return all
}
