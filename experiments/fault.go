// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// A fault is an error at a place of a definition: at a node, or else at the end of a path of keys and indices from the top.
type fault struct {
	err  error
	node *yaml.Node
	path []any
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// at puts keys and indices in front of an error's path; nil stays nil.
func at(err error, path ...any) error {
	if err == nil {
		return nil
	}
	switch e := err.(type) {
	case located:
		return err
	case *fault:
		return &fault{e.err, e.node, append(path, e.path...)}
	}
	return &fault{err: err, path: path}
}

// faultAt is an error at a node.
func faultAt(n *yaml.Node, format string, args ...any) error {
	return &fault{err: fmt.Errorf(format, args...), node: n}
}

// errAt puts an error that has no place yet at a node; nil stays nil.
func errAt(n *yaml.Node, err error) error {
	if err == nil {
		return nil
	}
	if f, ok := err.(*fault); ok {
		if f.node != nil {
			return err
		}
		err = f.err
	}
	return &fault{err: err, node: n}
}

// in puts the item in front of an error's text; nil stays nil.
func in(item string, err error) error {
	switch f := err.(type) {
	case nil:
		return nil
	case located:
		return err
	case *fault:
		return &fault{fmt.Errorf("%s: %w", item, f.err), f.node, f.path}
	}
	return fmt.Errorf("%s: %w", item, err)
}

// A located error begins with its place.
type located struct{ error }

func (l located) Unwrap() error { return l.error }

// locate begins an error with its file, line and column. The deepest node of the path that exists decides.
func (t *tree) locate(root *yaml.Node, err error) error {
	if _, ok := err.(located); ok || err == nil {
		return err
	}
	n := root
	if f, ok := err.(*fault); ok {
		err = f.err
		if n = f.node; n == nil {
			n = lookup(root, f.path)
		}
	}
	file := t.files[n]
	if file == nil {
		file = t.top
	}
	if n == nil || n.Line == 0 {
		return located{fmt.Errorf("%s: %w", file.name, err)}
	}
	return located{fmt.Errorf("%s:%d:%d: %w", file.name, n.Line, n.Column, err)}
}

// lookup walks a path as far as there are nodes.
func lookup(n *yaml.Node, path []any) *yaml.Node {
	for _, step := range path {
		next, in := (*yaml.Node)(nil), target(n)
		switch s := step.(type) {
		case string:
			next = value(in, s)
		case int:
			if in.Kind == yaml.SequenceNode && s < len(in.Content) {
				next = in.Content[s]
			}
		}
		if next == nil {
			return n
		}
		n = next
	}
	return n
}
