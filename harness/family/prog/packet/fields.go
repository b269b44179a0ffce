// SPDX-License-Identifier: Apache-2.0

package packet

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// fields are those of a layer. The first mistake is kept, and so are the names that a layer asks for.
type fields struct {
	layer string
	left  map[string]string
	known []string
	err   error
}

func (f *fields) take(name string) (string, bool) {
	f.known = append(f.known, name)
	v, ok := f.left[name]
	return v, ok
}

func (f *fields) fail(name string, err error) {
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("field %s: %w", name, err)
	}
}

// end returns the first mistake: an unknown field comes before all others.
func (f *fields) end() error {
	for _, name := range slices.Sorted(maps.Keys(f.left)) {
		if err := harness.Known("field", name, f.known); err != nil {
			return err
		}
	}
	return f.err
}

// number reads a number of so many bits. One that does not fit is a mistake, and otherwise takes its place: callers may make as many
// bytes as it says.
func (f *fields) number(name string, otherwise uint64, bits int) uint64 {
	text, ok := f.take(name)
	if !ok {
		return otherwise
	}
	v, err := strconv.ParseUint(text, 0, 64)
	if err != nil || v>>bits != 0 {
		f.fail(name, fmt.Errorf("%q is not a number from 0 to %d", text, uint64(1)<<bits-1))
		return otherwise
	}
	return v
}

func (f *fields) text(name string) string {
	text, _ := f.take(name)
	return text
}

func (f *fields) hex(name string) []byte {
	text, _ := f.take(name)
	raw, err := Hex(text)
	f.fail(name, err)
	return raw
}

// Hex reads bytes in hex, with or without 0x, colons and spaces.
func Hex(text string) ([]byte, error) {
	digits := strings.NewReplacer(" ", "", ":", "", "\n", "", "\t", "").Replace(strings.TrimPrefix(text, "0x"))
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("%.40q is not bytes in hex: %w", text, err)
	}
	return raw, nil
}

func (f *fields) mac(name, otherwise string) net.HardwareAddr {
	text, ok := f.take(name)
	if !ok {
		text = otherwise
	}
	mac, err := parseMAC(text)
	f.fail(name, err)
	return mac
}

func (f *fields) ip(name, otherwise string, six bool) net.IP {
	text, ok := f.take(name)
	if !ok {
		text = otherwise
	}
	ip, err := parseIP(text, six)
	f.fail(name, err)
	return ip
}

// flags reads names of bits: "syn,ack".
func (f *fields) flags(name string, bits map[string]int) (out int) {
	text, ok := f.take(name)
	if !ok || text == "" {
		return 0
	}
	for _, w := range strings.Split(text, ",") {
		w = strings.ToLower(strings.TrimSpace(w))
		f.fail(name, harness.Known("flag", w, slices.Sorted(maps.Keys(bits))))
		out |= 1 << bits[w]
	}
	return out
}
