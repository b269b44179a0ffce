// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness"
)

// Write writes an experiment as a definition: Parse reads the same from it. Fields with their zero values are left out.
func Write(w io.Writer, e harness.Experiment) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(nodeOf(reflect.ValueOf(e), 0)); err != nil {
		return fmt.Errorf("write definition: %w", err)
	}
	return enc.Close()
}

// flowDepth is from where on a definition is written in one line: variants have their own, so have workloads and what they measure.
const flowDepth = 3

func nodeOf(v reflect.Value, depth int) *yaml.Node {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return scalar(time.Duration(v.Int()).String())
	}
	switch v.Kind() {
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		knob := v.Type() == reflect.TypeFor[harness.Knob]() // whose value may be 0
		for i := range v.NumField() {
			key := keyOf(v.Type().Field(i))
			if f := v.Field(i); key != "" && (knob || !f.IsZero()) {
				n.Content = append(n.Content, scalar(key), nodeOf(f, depth+1))
			}
		}
		if depth >= flowDepth {
			n.Style = yaml.FlowStyle
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, nodeOf(v.Index(i), depth+1))
		}
		if depth >= flowDepth || v.Type().Elem().Kind() == reflect.String {
			n.Style = yaml.FlowStyle
		}
		return n
	case reflect.Pointer:
		return nodeOf(v.Elem(), depth)
	case reflect.String:
		return wordNode(v.String())
	case reflect.Float64:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatFloat(v.Float(), 'g', -1, 64)}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(v.Interface())}
}

// wordNode is a word, without quotes if it is read back as it is.
func wordNode(word string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: word}
	if back, ok := wordOf(n); ok && back == word && n.ShortTag() != "!!str" {
		return n
	}
	return scalar(word)
}
