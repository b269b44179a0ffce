// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness"
)

// maxNodes bounds how many values a definition has, counting those behind aliases as often as they are named.
const maxNodes = 1 << 18

// A decoder reads nodes into values strictly: a key without a field, a key given twice and a value of the wrong type are faults at
// their nodes. Keys are the names of fields in lower case. Numbers and booleans are taken where words are expected: values: [1, 1000].
type decoder struct{ nodes int }

// decode reads a tree into a struct.
func decode(root *yaml.Node, into any) error {
	return new(decoder).read(root, reflect.ValueOf(into).Elem(), "")
}

// read reads a value. key is the key under which it stands.
func (d *decoder) read(n *yaml.Node, to reflect.Value, key string) error {
	if d.nodes++; d.nodes > maxNodes {
		return faultAt(n, "more than %d values, those behind aliases counted each time", maxNodes)
	}
	v := target(n)
	if v.Kind == yaml.ScalarNode && v.ShortTag() == "!!null" {
		return nil
	}
	var err error
	switch kind := to.Kind(); {
	case to.Type() == reflect.TypeFor[time.Duration]():
		err = readDuration(v, to)
	case kind == reflect.Struct:
		return d.readStruct(n, to, key)
	case kind == reflect.Slice:
		return d.readList(n, to, key)
	case kind == reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return d.read(n, to.Elem(), key)
	case v.Kind != yaml.ScalarNode:
		err = fmt.Errorf("want %s, not %s", wanted[kind], describe(v))
	case kind == reflect.String:
		err = readWord(v, to)
	case kind == reflect.Bool:
		if b := false; v.ShortTag() != "!!bool" || v.Decode(&b) != nil {
			err = fmt.Errorf("want true or false, not %s", describe(v))
		} else {
			to.SetBool(b)
		}
	default:
		err = readNumber(v, to)
	}
	return errAt(n, in(key, err))
}

// wanted is what a value of a kind is called in errors.
var wanted = map[reflect.Kind]string{
	reflect.String: "a word", reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Int64: "a duration with its unit, like 300ms",
	reflect.Uint64: "a whole number of 0 or more", reflect.Float64: "a number",
}

func (d *decoder) readStruct(n *yaml.Node, to reflect.Value, key string) error {
	v := target(n)
	if v.Kind != yaml.MappingNode {
		return errAt(n, in(key, fmt.Errorf("want keys with values, not %s", describe(v))))
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(v.Content); i += 2 {
		k := v.Content[i]
		f, ok := fieldOf(to, k.Value)
		if !ok || k.Kind != yaml.ScalarNode {
			return errAt(k, harness.Known("key", k.Value, keysOf(to.Type())))
		}
		if line := lines[k.Value]; line > 0 {
			return faultAt(k, "key %q is given twice, before on line %d", k.Value, line)
		}
		lines[k.Value] = k.Line
		if err := d.read(v.Content[i+1], f, k.Value); err != nil {
			return err
		}
	}
	return nil
}

// fieldOf is the field of a struct that a key means.
func fieldOf(s reflect.Value, key string) (reflect.Value, bool) {
	for i := range s.NumField() {
		if key != "" && keyOf(s.Type().Field(i)) == key {
			return s.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// keyOf is a field's key, "" if no definition holds it (yaml:"-").
func keyOf(f reflect.StructField) string {
	if f.Tag.Get("yaml") == "-" {
		return ""
	}
	return strings.ToLower(f.Name)
}

// keysOf are the keys of a struct's fields.
func keysOf(t reflect.Type) (out []string) {
	for i := range t.NumField() {
		if key := keyOf(t.Field(i)); key != "" {
			out = append(out, key)
		}
	}
	return out
}

func (d *decoder) readList(n *yaml.Node, to reflect.Value, key string) error {
	v := target(n)
	if v.Kind != yaml.SequenceNode {
		return errAt(n, in(key, fmt.Errorf("want a list, not %s", describe(v))))
	}
	for _, item := range v.Content {
		value := reflect.New(to.Type().Elem()).Elem()
		if err := d.read(item, value, key); err != nil {
			return err
		}
		to.Set(reflect.Append(to, value))
	}
	return nil
}

// readDuration reads "300ms". A bare number has no unit, and is an error.
func readDuration(n *yaml.Node, to reflect.Value) error {
	if n.Kind == yaml.ScalarNode {
		if d, err := time.ParseDuration(n.Value); err == nil && (n.ShortTag() == "!!str") {
			to.SetInt(int64(d))
			return nil
		}
	}
	return fmt.Errorf("want %s, not %s", wanted[reflect.Int64], describe(n))
}

func readWord(n *yaml.Node, to reflect.Value) error {
	word, ok := wordOf(n)
	if !ok {
		return fmt.Errorf("want a word, not %s", describe(n))
	}
	to.SetString(word)
	return nil
}

// wordOf is a scalar as a word. Numbers are written in full: 1e3 is 1000.
func wordOf(n *yaml.Node) (string, bool) {
	var value any
	if n.ShortTag() == "!!str" {
		return n.Value, true
	}
	if err := n.Decode(&value); err != nil {
		return "", false
	}
	switch v := value.(type) {
	case int, int64, uint64, bool:
		return fmt.Sprint(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// readNumber reads a number. 1e6 is a whole one.
func readNumber(n *yaml.Node, to reflect.Value) error {
	bad := fmt.Errorf("want %s, not %s", wanted[to.Kind()], describe(n))
	var f float64
	if tag := n.ShortTag(); tag != "!!int" && tag != "!!float" || n.Decode(&f) != nil {
		return bad
	}
	if to.Kind() == reflect.Float64 {
		to.SetFloat(f)
		return nil
	}
	whole := n.ShortTag() == "!!int"
	if !whole && (f != math.Trunc(f) || math.Abs(f) >= 1<<53) || f < 0 && to.Kind() == reflect.Uint64 {
		return bad
	}
	if to.Kind() == reflect.Uint64 {
		u := uint64(f)
		if whole && n.Decode(&u) != nil {
			return bad
		}
		to.SetUint(u)
		return nil
	}
	i := int64(f)
	if whole && n.Decode(&i) != nil {
		return bad
	}
	to.SetInt(i)
	return nil
}

// describe says what a node is, for errors.
func describe(n *yaml.Node) string {
	switch n = target(n); n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(n.Value)
}
