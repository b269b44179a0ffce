// SPDX-License-Identifier: Apache-2.0

package prog

import (
	"encoding/json"
	"fmt"

	"github.com/kxlab/kxlab/harness"
)

// Data is all that the family needs beyond a definition: plain data, so that a guest needs no file. It travels as
// harness.Experiment.Data.
type Data struct {
	Inputs []Input         `json:"inputs"`
	Sides  map[string]Side `json:"sides"` // by the names of variants: A and B may be one object
}

// An Input is what a program gets. Its name is a value of the axis input.
type Input struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
	// Packet or Context says which of them it is; bytes without either are taken as what the program takes.
	Packet  bool `json:"packet,omitempty"`
	Context bool `json:"context,omitempty"`
}

// A Side is what one object needs.
type Side struct {
	Program   string     `json:"program"` // the one that is run
	Fills     []Fill     `json:"fills,omitempty"`
	Variables []Variable `json:"variables,omitempty"`
}

// A Fill is one entry of a map.
type Fill struct {
	Map   string `json:"map"`
	Key   []byte `json:"key"`
	Value []byte `json:"value,omitempty"`
	// Program is the value in a map of programs, Inner the entries of the map that is the value in a map of maps.
	Program string `json:"program,omitempty"`
	Inner   []Fill `json:"inner,omitempty"`
}

// A Variable is the initial value of a global variable.
type Variable struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// Encode returns the data as harness.Experiment.Data.
func (d Data) Encode() ([]byte, error) { return json.Marshal(d) }

// decodeData reads what Encode wrote. No data are those of an experiment without inputs of its own.
func decodeData(raw []byte) (d Data, err error) {
	if len(raw) == 0 {
		return d, nil
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return d, fmt.Errorf("read data of the experiment: %w", err)
	}
	return d, nil
}

// input returns the input of a name.
func (d Data) input(k Kind, name string) (Input, error) {
	inputs := d.Inputs
	if len(inputs) == 0 {
		inputs = DefaultInputs(k)
	}
	in, _ := harness.Find(inputs, func(in Input) bool { return in.Name == name })
	return in, harness.Known("input", name, harness.Map(inputs, func(in Input) string { return in.Name }))
}

// CheckInputs returns an error unless a program of the kind takes all inputs and their names can stand in a record.
func CheckInputs(k Kind, inputs []Input) error {
	seen := map[string]bool{}
	for _, in := range inputs {
		if err := harness.CheckName("input", in.Name); err != nil {
			return err
		}
		if seen[in.Name] {
			return fmt.Errorf("input %s: the name is given twice", in.Name)
		}
		seen[in.Name] = true
		if err := k.check(in); err != nil {
			return err
		}
	}
	return nil
}
