// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// A Method puts a variant in force at a site. After an error nothing of the variant is left there; an error that wraps
// ErrNotSupported means that this machine lacks something.
type Method[T Extension] func(ctx context.Context, v Variant, at Site) (T, error)

// Methods is a family's table of what Variant.Attach may name.
type Methods[T Extension] map[string]Method[T]

// Names lists the methods, sorted.
func (m Methods[T]) Names() []string { return slices.Sorted(maps.Keys(m)) }

// Put puts the variant in force by the method that it names. Its errors wrap ErrSetup, unless ctx is done.
func (m Methods[T]) Put(ctx context.Context, v Variant, at Site) (T, error) {
	var none T
	if err := Known("attach method", v.Attach, m.Names()); err != nil {
		return none, SetupError(fmt.Errorf("put variant %s: %w", v.Name, err))
	}
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("put variant %s: %w", v.Name, err)
	}
	e, err := m[v.Attach](ctx, v, at)
	if err == nil {
		return e, nil
	}
	err = fmt.Errorf("put variant %s: %w", v.Name, err)
	if ctx.Err() != nil {
		return none, err // it was cut short, which says nothing of the variant
	}
	return none, SetupError(err)
}
