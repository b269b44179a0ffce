// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"context"
	"errors"
	"fmt"

	"github.com/kxlab/kxlab/harness"
)

// putBalancer puts a variant in force that is expected to be a load balancer.
func putBalancer(ctx context.Context, a *Attacher, v harness.Variant, at harness.Site) (harness.Balancer, error) {
	e, err := a.Put(ctx, v, at)
	if err != nil {
		return nil, err
	}
	b, ok := e.(harness.Balancer)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%s is no load balancer", v.Name), e.Close())
	}
	return b, nil
}
