// SPDX-License-Identifier: Apache-2.0

package lb

import (
	"maps"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/family/lb/control"
	"github.com/kxlab/kxlab/harness/family/lb/kernel"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// methods returns the ways to put a load balancer in force.
func methods(l *bpfobj.Loader) harness.Methods[service.Balancer] {
	all := control.Methods(l)
	maps.Copy(all, kernel.Methods())
	return all
}
