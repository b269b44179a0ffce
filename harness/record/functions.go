// SPDX-License-Identifier: Apache-2.0

package record

import "github.com/kxlab/kxlab/harness/profile"

// functionLines hold the instructions of a unit of work by function, a line a cell and unit, of runs that counted them.
var functionLines = lines[profile.Table]{"functions.jsonl", 1, checkTable}

// Functions records the tables of a run, all at once.
func (w *Writer) Functions(tables []profile.Table) error { return writeLines(w, functionLines, tables) }

func checkTable(experiment string, t profile.Table) error {
	if _, err := ParseCell(experiment, t.Cell); err != nil {
		return err
	}
	for _, f := range append(t.Functions, profile.Function{Value: t.Whole}) {
		if err := checkValue(t.Unit, f.Value); err != nil {
			return err
		}
	}
	return nil
}
