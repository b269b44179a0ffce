// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"go/format"
	"regexp"
	"slices"
	"strings"
)

// write returns a file of package abi.
func write(name string, h header, types map[string]layout) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// SPDX-License-Identifier: Apache-2.0\n\n// Code generated from bpf/include/%s by bpf/abi/gen. DO NOT EDIT.\n\npackage abi\n\n", name)
	if len(h.constants) > 0 {
		fmt.Fprintf(&b, "// The constants of bpf/include/%s.\nconst (\n", name)
		for _, c := range h.constants {
			constName := goName(c.name)
			if slices.ContainsFunc(h.structs, func(s string) bool { return goName(s) == constName }) {
				constName += "Const" // C keeps macros and tags apart, Go does not
			}
			fmt.Fprintf(&b, "\t%s = %s%s\n", constName, wordPattern.ReplaceAllStringFunc(c.text, goName), comment(c.comment))
		}
		b.WriteString(")\n\n")
	}
	for _, s := range h.structs {
		l, ok := types[s]
		if !ok {
			return nil, fmt.Errorf("struct %s: no object has it, or it has a hole or fields other than integers", s)
		}
		fmt.Fprintf(&b, "// %s is struct %s, %d bytes.\ntype %[1]s struct {\n", goName(s), s, l.size)
		for _, f := range l.fields {
			fmt.Fprintf(&b, "\t%s %s%s\n", goName(f.name), f.typ, comment(h.comments[s+"."+f.name]))
		}
		b.WriteString("}\n\n")
	}
	for _, e := range h.enums {
		writeEnum(&b, e)
	}
	return format.Source(b.Bytes())
}

// writeEnum writes an enum whose last element is the number of the others, and the names of the others.
func writeEnum(b *bytes.Buffer, e enum) {
	fmt.Fprintf(b, "// The values of enum %s.\nconst (\n", e.name)
	for i, c := range e.elements {
		first := ""
		if i == 0 {
			first = " = iota"
		}
		fmt.Fprintf(b, "\t%s%s%s\n", goName(c.name), first, comment(c.comment))
	}
	prefix, last := strings.ToUpper(e.name)+"_", goName(e.elements[len(e.elements)-1].name)
	fmt.Fprintf(b, ")\n\n// %sNames are the names of enum %s, in its order.\nvar %[1]sNames = [%[3]s]string{\n", goName(e.name), e.name, last)
	for _, c := range e.elements[:len(e.elements)-1] {
		fmt.Fprintf(b, "\t%q,\n", strings.ToLower(strings.TrimPrefix(c.name, prefix)))
	}
	b.WriteString("}\n\n")
}

func comment(text string) string {
	if text == "" {
		return ""
	}
	return " // " + text
}

var wordPattern = regexp.MustCompile(`\b[A-Z][A-Z0-9_]*\b`)

// initialisms are words that Go writes in capitals.
var initialisms = map[string]string{
	"lb": "LB", "vip": "VIP", "vip4": "VIP4", "vip6": "VIP6", "v6": "V6", "mac": "MAC", "mtu": "MTU", "ip": "IP", "icmp": "ICMP",
	"syn": "SYN", "syns": "SYNs", "ns": "NS", "ncpu": "NCPU",
}

// goName is the Go name of a C name: lb_vip4 is LBVIP4.
func goName(c string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(strings.ToLower(c), "_") {
		if capitals, ok := initialisms[word]; ok {
			b.WriteString(capitals)
		} else if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
