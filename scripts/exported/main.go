// SPDX-License-Identifier: Apache-2.0

// Command exported lists the exported names of this module that no other package uses, tests of other packages included:
// functions, types, constants, variables, and methods of exported types. Run it in the module's root:
//
//	go run ./scripts/exported ./harness/... ./vm
//
// Counted as used: methods of a name that an interface of this module or of the standard library asks for, types in the
// signature or the fields of a name that is used, and all constants of a type of which one is used. Fields and generated
// files are left out.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	names, err := unused(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "exported:", err)
		os.Exit(1)
	}
	for _, n := range names {
		fmt.Println(n)
	}
	fmt.Fprintln(os.Stderr, "exported:", len(names), "names are used nowhere outside their package")
}

// A pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath, Dir, Export, ForTest string
	GoFiles                          []string
	ImportMap                        map[string]string
	Module                           *struct{ Main bool }
}

// list returns this module's packages and their tests, and where the export data of each package lies.
func list() (own []pkg, export map[string]string, err error) {
	var out, problem bytes.Buffer
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Export,ForTest,GoFiles,ImportMap,Module", "-export", "-deps", "-test", "./...")
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return nil, nil, fmt.Errorf("list packages: %w: %s", err, problem.String())
	}
	export = map[string]string{}
	for d := json.NewDecoder(&out); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return own, export, nil
		} else if err != nil {
			return nil, nil, fmt.Errorf("list packages: %w", err)
		}
		export[p.ImportPath] = p.Export
		if p.Module != nil && p.Module.Main && !strings.HasSuffix(p.ImportPath, ".test") {
			own = append(own, p)
		}
	}
}

// A name is an exported object: where it is declared, which is the same whoever looks at it.
type name struct {
	pkg, at string
}

// unused returns the names, "package.Name file:line", of the packages that match the patterns.
func unused(patterns []string) ([]string, error) {
	wanted := map[string]bool{}
	out, err := exec.Command("go", append([]string{"list"}, patterns...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("list %v: %w", patterns, err)
	}
	for p := range strings.FieldsSeq(string(out)) {
		wanted[p] = true
	}
	own, export, err := list()
	if err != nil {
		return nil, err
	}
	m := &module{export: export, wanted: wanted, declared: map[name]declaration{}, used: map[name]bool{}, asked: map[string]bool{}}
	for _, p := range own {
		if err := m.check(p); err != nil {
			return nil, err
		}
	}
	m.spread()
	var names []string
	for n, d := range m.declared {
		if f, ok := d.object.(*types.Func); ok && f.Signature().Recv() != nil && m.asked[f.Name()] {
			continue
		}
		if !m.used[n] {
			names = append(names, d.text)
		}
	}
	slices.Sort(names)
	return names, nil
}

// A declaration is an exported object and how it is listed.
type declaration struct {
	object types.Object
	fset   *token.FileSet
	text   string
}

// A module is what its packages declare and use.
type module struct {
	export   map[string]string
	wanted   map[string]bool
	declared map[name]declaration
	used     map[name]bool
	asked    map[string]bool // names of methods of interfaces
}

// where is an object's name. Export data keeps the line, so that it is the same whoever looks.
func where(fset *token.FileSet, o types.Object) name {
	at := fset.Position(o.Pos())
	return name{strings.TrimSuffix(o.Pkg().Path(), "_test"), fmt.Sprintf("%s:%d %s", filepath.Base(at.Filename), at.Line, o.Name())}
}

// spread counts as used what a used name brings with it.
func (m *module) spread() {
	for again := true; again; {
		again = false
		mark := func(n name) {
			if !m.used[n] {
				m.used[n], again = true, true
			}
		}
		for n, d := range m.declared {
			if m.used[n] {
				walk(d.object.Type(), d.fset, mark, map[types.Type]bool{})
			}
			if named, ok := d.object.Type().(*types.Named); ok && isConstant(d.object) && m.used[where(d.fset, named.Obj())] {
				mark(n)
			}
		}
	}
}

func isConstant(o types.Object) bool { _, ok := o.(*types.Const); return ok }

// walk calls mark for each named type of a type's fields, methods, parameters and elements.
func walk(t types.Type, fset *token.FileSet, mark func(name), seen map[types.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	down := func(t types.Type) { walk(t, fset, mark, seen) }
	switch t := t.(type) {
	case *types.Named:
		if t.Obj().Pkg() == nil {
			return
		}
		mark(where(fset, t.Obj()))
		if len(seen) == 1 {
			down(t.Underlying())
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() {
				down(f.Type())
			}
		}
	case *types.Interface:
		for f := range t.Methods() {
			down(f.Type())
		}
	case *types.Signature:
		for v := range t.Params().Variables() {
			down(v.Type())
		}
		for v := range t.Results().Variables() {
			down(v.Type())
		}
	case *types.Map:
		down(t.Key())
		down(t.Elem())
	case interface{ Elem() types.Type }: // array, slice, pointer, channel
		down(t.Elem())
	}
}

// check type-checks a package, notes what it declares, and what it uses of others.
func (m *module) check(p pkg) error {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, f := range p.GoFiles {
		if !filepath.IsAbs(f) {
			f = filepath.Join(p.Dir, f)
		}
		file, err := parser.ParseFile(fset, f, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	read := func(path string) (io.ReadCloser, error) {
		if to, ok := p.ImportMap[path]; ok {
			path = to
		}
		return os.Open(m.export[path])
	}
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", read)}
	path, _, _ := strings.Cut(p.ImportPath, " ") // a package compiled for its test: "path [path.test]"
	if _, err := config.Check(path, fset, files, info); err != nil {
		return fmt.Errorf("check %s: %w", p.ImportPath, err)
	}
	if m.wanted[path] && p.ForTest == "" {
		for _, f := range files {
			if !ast.IsGenerated(f) {
				declare(f, info, func(id *ast.Ident, of string) {
					o, at := info.Defs[id], fset.Position(id.Pos())
					text := fmt.Sprintf("%s %s%s %s:%d", path, of, o.Name(), filepath.Base(at.Filename), at.Line)
					m.declared[where(fset, o)] = declaration{o, fset, text}
				})
			}
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok {
				for _, method := range i.Methods.List {
					for _, id := range method.Names {
						m.asked[id.Name] = true
					}
				}
			}
			return true
		})
	}
	for _, o := range info.Uses {
		if o.Pkg() != nil && o.Exported() && strings.TrimSuffix(path, "_test") != o.Pkg().Path() {
			m.used[where(fset, o)] = true
		}
	}
	return nil
}

// declare calls add for each exported name of a file that may be unused.
func declare(f *ast.File, info *types.Info, add func(id *ast.Ident, of string)) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Recv == nil {
				add(d.Name, "")
			}
			if d.Name.IsExported() && d.Recv != nil && !mayBeAsked(d.Name.Name) {
				if of := receiver(d); ast.IsExported(of) {
					add(d.Name, of+".")
				}
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					for _, id := range s.Names {
						if id.IsExported() {
							add(id, "")
						}
					}
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						add(s.Name, "")
					}
				}
			}
		}
	}
}

// mayBeAsked reports whether a method is one of those that interfaces ask for everywhere.
func mayBeAsked(method string) bool {
	return slices.Contains([]string{"Error", "Unwrap", "Is", "As", "String", "Close", "Read", "Write", "Len", "Less", "Swap"}, method)
}

// receiver is the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}
