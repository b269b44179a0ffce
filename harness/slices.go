// SPDX-License-Identifier: Apache-2.0

package harness

import "slices"

// Functions that package slices lacks. Results are nil where they have no item.

// Find returns the first item for which wanted is true, and whether there is one.
func Find[T any](items []T, wanted func(T) bool) (item T, ok bool) {
	if i := slices.IndexFunc(items, wanted); i >= 0 {
		return items[i], true
	}
	return item, false
}

// Filter returns the items for which wanted is true.
func Filter[T any](items []T, wanted func(T) bool) (out []T) {
	for _, it := range items {
		if wanted(it) {
			out = append(out, it)
		}
	}
	return out
}

// Count is how many items Filter would return.
func Count[T any](items []T, wanted func(T) bool) int { return len(Filter(items, wanted)) }

// Map returns the results of f for each item.
func Map[T, U any](items []T, f func(T) U) (out []U) {
	for _, it := range items {
		out = append(out, f(it))
	}
	return out
}

// GroupBy returns the items in groups that have the same key, in the order in which the keys first appear.
func GroupBy[T any, K comparable](items []T, key func(T) K) (groups [][]T) {
	at := map[K]int{}
	for _, it := range items {
		k := key(it)
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k], groups = i, append(groups, nil)
		}
		groups[i] = append(groups[i], it)
	}
	return groups
}
