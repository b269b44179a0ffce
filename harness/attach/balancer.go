// SPDX-License-Identifier: Apache-2.0

package attach

import "github.com/kxlab/kxlab/harness"

// hook attaches the programs of a loaded object at a site.
type hook func(o *object, at harness.Site) (*attachment, error)

type object struct{}
type attachment struct{}

func attachXDP(o *object, at harness.Site) (*attachment, error)    { return nil, harness.Skip("soon") }
func attachTCX(o *object, at harness.Site) (*attachment, error)    { return nil, harness.Skip("soon") }
func attachCgroup(o *object, at harness.Site) (*attachment, error) { return nil, harness.Skip("soon") }

func (a *Attacher) newBPF(v harness.Variant, at harness.Site, h hook) (harness.Balancer, error) {
	return nil, harness.Skip("soon")
}
