// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/kxlab/kxlab/harness"
)

// A file is what nodes were read from.
type file struct {
	name string // as in errors
	user bool   // not one of the shipped definitions
}

// A tree is the definitions that one consists of: its own and those that it extends or takes objects from.
type tree struct {
	top       *file // the definition that was asked for
	files     map[*yaml.Node]*file
	inherited map[string][]string // knobs that variants have by like alone, by the variants' names
}

func newTree() *tree {
	return &tree{files: map[*yaml.Node]*file{}, inherited: map[string][]string{}}
}

// syntaxRE finds the line and the text in an error of the YAML library.
var syntaxRE = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// maxLines and maxSearched, bytes, are of what size at most a file is searched for the line of an error, which takes a reading for each line.
const (
	maxLines    = 2000
	maxSearched = 64 << 10
)

// syntaxError is the place of an error in a file, and its text. The library names the line at which the broken list or mapping begins, or
// the one before, and no column. So the place is the line behind the longest part of the file that can be read, at its first character, or
// else that of a tab in an indentation, which YAML does not take. Of a large file it is the library's line.
func syntaxError(raw []byte, err error) (line, column int, text string) {
	if line, column = tabAt(raw); line > 0 {
		return line, column, "a tab in the indentation: indent with spaces"
	}
	text = strings.ReplaceAll(err.Error(), "\n", " ")
	bad, end := 0, 0
	if m := syntaxRE.FindStringSubmatch(text); m != nil {
		text = m[2]
		bad, _ = strconv.Atoi(m[1])
	}
	lines := bytes.SplitAfter(raw, []byte("\n"))
	if len(lines) > maxLines || len(raw) > maxSearched {
		return max(bad, 1), 1, text
	}
	bad = 0
	for i, l := range lines {
		end += len(l)
		if err := yaml.Unmarshal(raw[:end], new(yaml.Node)); err == nil {
			bad = i + 1
		}
	}
	at := lines[min(bad, len(lines)-1)]
	return bad + 1, len(at) - len(bytes.TrimLeft(at, " ")) + 1, text
}

// parse reads one YAML document, whose top must be a mapping. An empty one is an empty mapping. Its errors begin with the file.
func (t *tree) parse(f *file, raw []byte) (*yaml.Node, error) {
	if t.top == nil {
		t.top = f
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(raw)).Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		line, column, text := syntaxError(raw, err)
		return nil, located{fmt.Errorf("%s:%d:%d: read YAML: %s", f.name, line, column, text)}
	}
	if line, err := harness.SecondDocument(raw); err != nil {
		return nil, located{fmt.Errorf("%s:%d:1: %w", f.name, line, err)}
	}
	if len(doc.Content) == 0 && f.user {
		return nil, located{fmt.Errorf("%s:1:1: nothing is defined here: kxlab init writes a definition to start from", f.name)}
	}
	if len(doc.Content) == 0 {
		doc.Content = []*yaml.Node{{Kind: yaml.MappingNode, Line: 1, Column: 1}}
	}
	root := doc.Content[0]
	t.mark(root, f)
	if n := control(root); n != nil {
		return nil, t.locate(root, faultAt(n, "a control character in %+q: text goes to terminals, which obey it", n.Value))
	}
	if root.Kind != yaml.MappingNode {
		return nil, t.locate(root, faultAt(root, "want keys with values, not %s", describe(root)))
	}
	return root, nil
}

// tabAt is the place of the first tab in an indentation, both from 1 on; 0 if there is none.
func tabAt(raw []byte) (line, column int) {
	for text := range bytes.Lines(raw) {
		line++
		indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
		if i := bytes.IndexByte(indent, '\t'); i >= 0 {
			return line, i + 1
		}
	}
	return 0, 0
}

// control is the first scalar with a control character other than the end of a line; nil if there is none.
func control(n *yaml.Node) *yaml.Node {
	if strings.ContainsFunc(n.Value, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return n
	}
	for _, c := range n.Content {
		if found := control(c); found != nil {
			return found
		}
	}
	return nil
}

// mark writes down which file a node and all below it are from.
func (t *tree) mark(n *yaml.Node, f *file) {
	t.files[n] = f
	for _, c := range n.Content {
		t.mark(c, f)
	}
}

// target is the node, or what it stands for if it is an alias.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// value is the value of a key; nil if there is none.
func value(mapping *yaml.Node, key string) *yaml.Node {
	if mapping = target(mapping); mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// text is the scalar value of a key; "" if there is none.
func text(mapping *yaml.Node, key string) string {
	if v := value(mapping, key); v != nil {
		return target(v).Value
	}
	return ""
}

// items are the entries of the list under a key.
func items(mapping *yaml.Node, key string) []*yaml.Node {
	v := value(mapping, key)
	if v == nil {
		return nil
	}
	return target(v).Content
}

// set gives a key a value, which is put at the end if the key is new.
func set(mapping *yaml.Node, key string, v *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content[i+1] = v
			return
		}
	}
	mapping.Content = append(mapping.Content, scalar(key), v)
}

// without is a copy of a mapping that lacks some keys. The values are shared.
func (t *tree) without(mapping *yaml.Node, keys ...string) *yaml.Node {
	old := target(mapping)
	out := *old
	out.Content = nil
	for i := 0; i+1 < len(old.Content); i += 2 {
		if !slices.Contains(keys, old.Content[i].Value) {
			out.Content = append(out.Content, old.Content[i], old.Content[i+1])
		}
	}
	t.files[&out] = t.files[old]
	return &out
}

// list is a list with the place of another node; nil: with none.
func (t *tree) list(place *yaml.Node, content []*yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: yaml.SequenceNode, Content: content}
	if place != nil {
		out.Line, out.Column = place.Line, place.Column
		t.files[out] = t.files[place]
	}
	return out
}

func scalar(word string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: word}
}
