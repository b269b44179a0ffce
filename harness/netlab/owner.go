// SPDX-License-Identifier: Apache-2.0

package netlab

import "github.com/kxlab/kxlab/harness/owner"

// namePrefix begins the name of everything the lab makes.
const namePrefix = owner.Prefix

// ownerName names this process: see package owner.
func ownerName() string { return owner.Self() }

// parseName splits a name into its owner and the rest.
func parseName(name string) (pid int, start uint64, role string, ok bool) { return owner.Parse(name) }

// dead says that a name is the lab's and that the process which made it is gone.
func dead(name string) bool { return owner.Dead(name) }
