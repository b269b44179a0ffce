// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"bytes"
	"fmt"
	"reflect"
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
	if err := decode(raw, &e); err != nil {
		return harness.Experiment{}, fmt.Errorf("%s: %w", file, err)
	}
	if e.Family == "" {
		e.Family = e.Name
	}
	if err := addObjects(&e); err != nil {
		return harness.Experiment{}, fmt.Errorf("%s: %w", file, err)
	}
	if err := check(e, v); err != nil {
		return harness.Experiment{}, fmt.Errorf("%s: %w", file, err)
	}
	return e, nil
}

// decode reads YAML into a struct. A key without a field, a key given twice and a value of the wrong type are errors.
// Numbers and booleans are taken where words are expected: values: [1, 1000].
func decode(raw []byte, into any) error {
	// Keys are never nested by a delimiter here: one that cannot be typed keeps viper from splitting them.
	vp := viper.NewWithOptions(viper.KeyDelimiter("\x00"))
	vp.SetConfigType("yaml")
	if err := vp.ReadConfig(bytes.NewReader(raw)); err != nil {
		return fmt.Errorf("read YAML: %s", flatten(err))
	}
	hook := mapstructure.ComposeDecodeHookFunc(durationHook, wordHook)
	strict := func(c *mapstructure.DecoderConfig) {
		c.WeaklyTypedInput = false
		c.DecodeHook = hook
	}
	if err := vp.UnmarshalExact(into, strict); err != nil {
		return fmt.Errorf("decode definition: %s", flatten(err))
	}
	return nil
}

// durationHook reads "300ms". A bare number is refused: nobody would mean nanoseconds.
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
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return value, nil
}

// flatten puts the decoder's list of complaints on one line.
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
