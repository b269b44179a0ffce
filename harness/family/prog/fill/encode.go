// SPDX-License-Identifier: Apache-2.0

package fill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/prog/packet"
)

// encode writes a value of YAML as bytes of a type, which is nil if the object has no type for it.
//
// Numbers are written in the byte order of the machine, in that of the network if the type is __be16, __be32 or __be64. An address
// (IPv4, IPv6, MAC) is written in the order of the network. Bytes in hex begin with 0x and fill arrays and structs; other text is
// written as it is, with zeros behind.
func encode(n *yaml.Node, t btf.Type, size int) ([]byte, error) {
	out := make([]byte, size)
	if err := write(out, n, t); err != nil {
		return nil, at(n, err)
	}
	return out, nil
}

func write(out []byte, n *yaml.Node, t btf.Type) error {
	big := isBig(t)
	switch t := underlying(t).(type) {
	case *btf.Struct:
		return members(out, n, t.Name, t.Members, false)
	case *btf.Union:
		return members(out, n, t.Name, t.Members, true)
	case *btf.Array:
		return array(out, n, t)
	case *btf.Int, *btf.Enum, *btf.Float, *btf.Pointer:
		if i, ok := t.(*btf.Int); ok {
			if err := checkSign(n, i); err != nil {
				return err
			}
		}
		if e, ok := t.(*btf.Enum); ok {
			if v, ok := harness.Find(e.Values, func(v btf.EnumValue) bool { return v.Name == n.Value }); ok {
				return number(out, v.Value, false)
			}
		}
		return scalar(out, n, big)
	case nil:
		return scalar(out, n, false)
	default:
		return fmt.Errorf("a value of type %v cannot be given", t)
	}
}

// checkSign returns an error for a number that would have another value in the type than in the file. Hex is bits, whatever they mean.
func checkSign(n *yaml.Node, t *btf.Int) error {
	v, err := strconv.ParseInt(n.Value, 0, 64)
	size := min(t.Size, 8)
	switch signed := t.Encoding == btf.Signed; {
	case err != nil || quoted(n) || size == 0:
		return nil
	case !signed && v < 0:
		return fmt.Errorf("%d is negative, and the type %s has no sign: write the bits in hex if you mean them", v, t.Name)
	case signed && size < 8 && v >= 1<<(8*size-1) && !strings.HasPrefix(n.Value, "0x"):
		return fmt.Errorf("%d does not fit into the %d bytes of the type %s, which has a sign: write the bits in hex if you mean them", v, size, t.Name)
	}
	return nil
}

// underlying is a type without typedefs and qualifiers; nil for none.
func underlying(t btf.Type) btf.Type {
	if t == nil {
		return nil
	}
	return btf.UnderlyingType(t)
}

// isBig is true for typedefs of the network's byte order.
func isBig(t btf.Type) bool {
	for {
		switch q := t.(type) {
		case *btf.Typedef:
			if strings.HasPrefix(q.Name, "__be") {
				return true
			}
			t = q.Type
		case *btf.Const:
			t = q.Type
		case *btf.Volatile:
			t = q.Type
		default:
			return false
		}
	}
}

// members writes fields by their names; those that are not named are 0.
func members(out []byte, n *yaml.Node, name string, all []btf.Member, union bool) error {
	if n.Kind != yaml.MappingNode {
		if n.Kind == yaml.ScalarNode {
			return text(out, n)
		}
		return fmt.Errorf("struct %s: want fields by their names, or bytes in hex", name)
	}
	if union && len(n.Content) > 2 {
		return fmt.Errorf("union %s: want one of its fields", name)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		m, ok := find(all, key.Value)
		if !ok {
			return at(key, harness.Known("field of "+name, key.Value, memberNames(all)))
		}
		if m.BitfieldSize > 0 {
			return at(key, fmt.Errorf("field %s is a bit field: give the whole struct as bytes in hex", key.Value))
		}
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			return at(key, err)
		}
		from := int(m.Offset.Bytes())
		if from+size > len(out) {
			return at(key, fmt.Errorf("field %s ends behind its struct", key.Value))
		}
		if err := write(out[from:from+size], value, m.Type); err != nil {
			return at(value, in("field "+key.Value, at(value, err)))
		}
	}
	return nil
}

// find finds a member, those of members without a name, too.
func find(all []btf.Member, name string) (btf.Member, bool) {
	for _, m := range all {
		if m.Name == name {
			return m, true
		}
		if m.Name != "" {
			continue
		}
		var inner []btf.Member
		switch t := underlying(m.Type).(type) {
		case *btf.Struct:
			inner = t.Members
		case *btf.Union:
			inner = t.Members
		}
		if in, ok := find(inner, name); ok {
			in.Offset += m.Offset
			return in, true
		}
	}
	return btf.Member{}, false
}

func memberNames(all []btf.Member) (out []string) {
	for _, m := range all {
		switch t := underlying(m.Type).(type) {
		case *btf.Struct:
			if m.Name == "" {
				out = append(out, memberNames(t.Members)...)
				continue
			}
		case *btf.Union:
			if m.Name == "" {
				out = append(out, memberNames(t.Members)...)
				continue
			}
		}
		out = append(out, m.Name)
	}
	return out
}

// array writes a list, or text.
func array(out []byte, n *yaml.Node, t *btf.Array) error {
	if n.Kind == yaml.ScalarNode {
		return text(out, n)
	}
	size, err := btf.Sizeof(t.Type)
	if err != nil {
		return err
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) > int(t.Nelems) {
		return fmt.Errorf("want a list of at most %d items, or bytes", t.Nelems)
	}
	for i, item := range n.Content {
		if err := write(out[i*size:(i+1)*size], item, t.Type); err != nil {
			return at(item, in(fmt.Sprintf("item %d", i), at(item, err)))
		}
	}
	return nil
}

// scalar writes a number, an address, bytes in hex or text.
func scalar(out []byte, n *yaml.Node, big bool) error {
	if n.Kind != yaml.ScalarNode {
		return errors.New("want a number, an address or bytes")
	}
	if v, ok := integer(n, len(out)); ok {
		return number(out, v, big)
	}
	if v, err := strconv.ParseInt(n.Value, 0, 64); err == nil && !quoted(n) {
		return fmt.Errorf("%d does not fit into %d bytes", v, len(out))
	}
	if len(out) <= 8 && !quoted(n) && !strings.ContainsAny(n.Value, ".:") {
		return fmt.Errorf("%q is not a number of %d bytes, an address or quoted text", n.Value, len(out))
	}
	return text(out, n)
}

func quoted(n *yaml.Node) bool { return n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 }

// integer reads a number of at most 8 bytes; a negative one must fit with its sign.
func integer(n *yaml.Node, size int) (uint64, bool) {
	if quoted(n) || size > 8 || size == 0 {
		return 0, false
	}
	if n.Value == "true" || n.Value == "false" {
		return map[string]uint64{"true": 1}[n.Value], true
	}
	if v, err := strconv.ParseUint(n.Value, 0, 64); err == nil {
		return v, true
	}
	v, err := strconv.ParseInt(n.Value, 0, 64)
	if err != nil || size < 8 && v < -(1<<(8*size-1)) {
		return 0, false
	}
	return uint64(v) << (64 - 8*size) >> (64 - 8*size), true
}

// text writes bytes in hex, an address, or text as it is.
func text(out []byte, n *yaml.Node) error {
	raw := []byte(n.Value)
	if strings.HasPrefix(n.Value, "0x") {
		var err error
		if raw, err = packet.Hex(n.Value); err != nil {
			return err
		}
	} else if a, err := netip.ParseAddr(n.Value); err == nil {
		raw = a.AsSlice()
	} else if mac, err := net.ParseMAC(n.Value); err == nil {
		raw = mac
	}
	if len(raw) > len(out) {
		return fmt.Errorf("%q has %d bytes, and %d are there", n.Value, len(raw), len(out))
	}
	copy(out, raw)
	return nil
}

// number writes an unsigned number.
func number(out []byte, v uint64, big bool) error {
	if bits.Len64(v) > 8*len(out) {
		return fmt.Errorf("%d does not fit into %d bytes", v, len(out))
	}
	var b [8]byte
	if big || binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		binary.BigEndian.PutUint64(b[:], v)
		copy(out, b[8-len(out):])
	} else {
		binary.LittleEndian.PutUint64(b[:], v)
		copy(out, b[:])
	}
	return nil
}
