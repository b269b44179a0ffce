// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
)

// A header holds the declarations of a C header, in their order.
type header struct {
	structs   []string // names
	comments  map[string]string
	enums     []enum
	constants []constant
}

// An enum has the values 0, 1, 2 and so on.
type enum struct {
	name     string
	elements []constant
}

// A constant is a #define of an integer, or an element of an enum, which has no text.
type constant struct{ name, text, comment string }

var (
	definePattern  = regexp.MustCompile(`^#define\s+([A-Z][A-Z0-9_]*)\s+([^/]*[^/\s])\s*(?:/\*\s*(.*?)\s*\*/)?\s*$`)
	integerPattern = regexp.MustCompile(`^(0x[0-9a-fA-F]+|[0-9]+|[A-Z][A-Z0-9_]*|[-+<|() ])+$`)
	openPattern    = regexp.MustCompile(`^(struct|enum) ([a-z0-9_]+) \{$`)
	fieldPattern   = regexp.MustCompile(`(\w+)(?:\[\w+\])?;\s*/\*\s*(.*?)\s*\*/$`)
	elementPattern = regexp.MustCompile(`^([A-Z][A-Z0-9_]*),(?:\s*/\*\s*(.*?)\s*\*/)?$`)
)

// parseHeader reads a header in the kernel's style: one field, element or #define a line.
func parseHeader(text string) header {
	h := header{comments: map[string]string{}}
	kind, name := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := openPattern.FindStringSubmatch(line); m != nil {
			kind, name = m[1], m[2]
			if kind == "struct" {
				h.structs = append(h.structs, name)
			} else {
				h.enums = append(h.enums, enum{name: name})
			}
			continue
		}
		if m := definePattern.FindStringSubmatch(line); m != nil {
			if integerPattern.MatchString(m[2]) {
				h.constants = append(h.constants, constant{m[1], m[2], m[3]})
			}
			continue
		}
		switch {
		case line == "};":
			kind = ""
		case kind == "struct":
			if m := fieldPattern.FindStringSubmatch(line); m != nil {
				h.comments[name+"."+m[1]] = m[2]
			}
		case kind == "enum":
			if m := elementPattern.FindStringSubmatch(line); m != nil {
				last := &h.enums[len(h.enums)-1]
				last.elements = append(last.elements, constant{name: m[1], comment: m[2]})
			}
		}
	}
	return h
}
