// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"github.com/kxlab/kxlab/harness"
)

// Parse reads one definition strictly. Errors begin with file and name the item.
func Parse(file string, raw []byte, v Vocabulary) (harness.Experiment, error) {
	var e harness.Experiment
	err := decode(raw, &e)
	e.Family = cmp.Or(e.Family, e.Name)
	if err == nil {
		err = in("objectsof", addObjects(&e))
	}
	if err == nil {
		err = check(e, v)
	}
	if err != nil {
		return harness.Experiment{}, in(file, err)
	}
	return e, nil
}

// attachLoad is the method that loads an object and attaches it to nothing.
const attachLoad = "load"

// everyExperiment, as the only name in ObjectsOf, stands for all other shipped experiments.
const everyExperiment = "all"

// addObjects adds variants for the objects of the experiments in ObjectsOf. It reads their files only: objects that they in
// turn take from others are not added.
func addObjects(e *harness.Experiment) error {
	from := e.ObjectsOf
	if slices.Equal(from, []string{everyExperiment}) {
		from = slices.DeleteFunc(Names(), func(name string) bool { return name == e.Name })
	}
	for _, name := range from {
		if err := harness.Known("experiment", name, Names()); err != nil {
			return err
		}
		raw, err := files.ReadFile(name + suffix)
		if err != nil {
			return err
		}
		var other harness.Experiment
		if err := decode(raw, &other); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, v := range other.Variants {
			if v.Object != "" {
				e.Variants = append(e.Variants, harness.Variant{
					Name: v.Name, Class: name, Attach: attachLoad, Object: v.Object, Knobs: v.Knobs, About: v.About,
				})
			}
		}
	}
	return nil
}

// decode reads YAML into a struct. A key without a field, a key given twice and a value of the wrong type are errors.
// Numbers and booleans are taken where words are expected: values: [1, 1000].
func decode(raw []byte, into any) error {
	// A delimiter that no key contains keeps viper from splitting keys.
	vp := viper.NewWithOptions(viper.KeyDelimiter("\x00"))
	vp.SetConfigType("yaml")
	if err := vp.ReadConfig(bytes.NewReader(raw)); err != nil {
		return fmt.Errorf("read YAML: %s", flatten(err))
	}
	strict := func(c *mapstructure.DecoderConfig) {
		c.WeaklyTypedInput, c.DecodeHook = false, mapstructure.ComposeDecodeHookFunc(durationHook, wordHook)
	}
	if err := vp.UnmarshalExact(into, strict); err != nil {
		return fmt.Errorf("decode definition: %s", flatten(err))
	}
	return nil
}

// durationHook reads "300ms". A bare number is an error: viper would take it as nanoseconds.
func durationHook(_, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() {
		return value, nil
	}
	s, ok := value.(string)
	if !ok {
		return nil, fmt.Errorf("%v is not a duration with its unit, like 300ms", value)
	}
	return time.ParseDuration(s)
}

// wordHook writes numbers and booleans as words where a word is expected.
func wordHook(from, to reflect.Type, value any) (any, error) {
	if to.Kind() != reflect.String {
		return value, nil
	}
	switch v := value.(type) {
	case int, int64, uint64, bool:
		return fmt.Sprint(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return value, nil
}

// flatten joins the decoder's list of errors in one line.
func flatten(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimLeft(strings.TrimSpace(line), "* ")
		line = strings.TrimSuffix(line, "unmarshal errors:")
		if line == "" || strings.HasPrefix(line, "decoding failed due to") || strings.HasSuffix(line, "error(s) decoding:") {
			continue
		}
		lines = append(lines, line)
	}
	return strings.ReplaceAll(strings.Join(lines, "; "), ": ; ", ": ")
}
