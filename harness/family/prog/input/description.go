// SPDX-License-Identifier: Apache-2.0

package input

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/harness/family/prog/packet"
)

// example is a description, in one line.
const example = "- packet: [ethernet: {}, ipv4: {dst: 10.0.0.2}, udp: {dst: 80}]"

// description reads a list of inputs in YAML:
//
//   - name: syn
//     packet: [ethernet: {}, ipv4: {dst: 10.0.0.2}, tcp: {dst: 80, flags: [syn]}]
//   - packet: 0x0200...
//   - name: args
//     context: [1, 0x20]
func description(name string, raw []byte) (out []prog.Input, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("not YAML, such as %s: %s", example, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if line, err := harness.SecondDocument(raw); err != nil {
		return nil, fmt.Errorf("line %d, column 1: %w", line, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("want a list of inputs, each with packet or context, such as %s", example)
	}
	items := doc.Content[0].Content
	for i, n := range items {
		in := prog.Input{Name: name}
		if len(items) > 1 {
			in.Name = fmt.Sprintf("%s.%d", name, i+1)
		}
		if err := one(&in, n); err != nil {
			return nil, err
		}
		if out = append(out, in); len(out) > maxInputs {
			break // as of a capture: the caller says it
		}
	}
	return out, nil
}

func one(in *prog.Input, n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return at(n, errors.New("want a mapping with packet or context"))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if err := harness.Known("key", key.Value, []string{"name", "packet", "context"}); err != nil {
			return at(key, err)
		}
		var err error
		switch key.Value {
		case "name":
			in.Name = value.Value
		case "packet":
			in.Packet = true
			in.Data, err = packetOf(value)
		case "context":
			in.Context = true
			in.Data, err = contextOf(value)
		}
		if err != nil {
			return at(value, err)
		}
	}
	if in.Packet == in.Context {
		return at(n, errors.New("want one of packet and context"))
	}
	return nil
}

// at puts the place before an error, unless it has one.
func at(n *yaml.Node, err error) error {
	if err == nil || strings.HasPrefix(err.Error(), "line ") {
		return err
	}
	return fmt.Errorf("line %d, column %d: %w", n.Line, n.Column, err)
}

// packetOf reads layers, or bytes in hex.
func packetOf(n *yaml.Node) ([]byte, error) {
	if n.Kind == yaml.ScalarNode {
		return packet.Hex(n.Value)
	}
	if n.Kind != yaml.SequenceNode {
		return nil, errors.New("want a list of layers, or bytes in hex")
	}
	var all []packet.Layer
	for _, l := range n.Content {
		layer := packet.Layer{Name: l.Value, Fields: map[string]string{}}
		if l.Kind == yaml.MappingNode {
			if len(l.Content) != 2 {
				return nil, at(l, errors.New("want one layer an item: - ipv4: {dst: 10.0.0.2}"))
			}
			layer.Name = l.Content[0].Value
			for i := 0; i+1 < len(l.Content[1].Content); i += 2 {
				key, value := l.Content[1].Content[i], l.Content[1].Content[i+1]
				if _, twice := layer.Fields[key.Value]; twice {
					return nil, at(key, fmt.Errorf("field %s is given twice", key.Value))
				}
				text := value.Value
				if value.Kind == yaml.SequenceNode {
					text = strings.Join(harness.Map(value.Content, func(n *yaml.Node) string { return n.Value }), ",")
				}
				layer.Fields[key.Value] = text
			}
		}
		if err := harness.Known("layer", layer.Name, packet.Names()); err != nil {
			return nil, at(l, err)
		}
		all = append(all, layer)
	}
	return packet.Build(all)
}

// contextOf reads numbers of 64 bits, or bytes in hex.
func contextOf(n *yaml.Node) ([]byte, error) {
	if n.Kind == yaml.ScalarNode {
		return packet.Hex(n.Value)
	}
	out := []byte{}
	for _, v := range n.Content {
		u, err := strconv.ParseUint(v.Value, 0, 64)
		if err != nil {
			i, err := strconv.ParseInt(v.Value, 0, 64)
			if err != nil {
				return nil, at(v, fmt.Errorf("%q is not a number of 64 bits", v.Value))
			}
			u = uint64(i)
		}
		out = binary.NativeEndian.AppendUint64(out, u)
	}
	return out, nil
}
