// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/kxlab/kxlab/harness/record"

// checkOut refuses a folder of --out that is not empty if runs get folders below it: record.Create sees only those.
func (f runFlags) checkOut(jobs []job) error {
	for _, j := range jobs {
		if f.out != "" && j.dir != f.out {
			return record.CheckEmpty(f.out)
		}
	}
	return nil
}
