// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"embed"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

//go:embed *.yaml
var files embed.FS

const (
	suffix     = ".yaml"
	claimsFile = "claims.yaml"
)

// maxFile bounds what is read as a definition, bytes.
const maxFile = 1 << 20

// A Vocabulary is what definitions may name. The zero value leaves it unchecked.
type Vocabulary struct {
	Families map[string]harness.Family
	// Object opens the object of a variant, or compiles its source, and returns the knobs that it has. It is asked about variants
	// in definitions of the user's. nil: their objects and knobs are not checked.
	Object func(harness.Variant) (knobs []string, err error)
}

// Names lists the shipped experiments, sorted.
func Names() []string {
	entries, _ := files.ReadDir(".") // an embedded folder can always be read
	var names []string
	for _, e := range entries {
		if e.Name() != claimsFile {
			names = append(names, strings.TrimSuffix(e.Name(), suffix))
		}
	}
	return names
}

// IsPath reports whether Open takes name as the path of a file and not as a shipped experiment.
func IsPath(name string) bool {
	ext := filepath.Ext(name)
	return ext == suffix || ext == ".yml" || strings.ContainsRune(name, filepath.Separator)
}

// Open reads the shipped experiment of that name, or the user's file if name is a path or ends in .yaml or .yml.
// An unknown name is a *harness.UnknownError.
func Open(name string, v Vocabulary) (harness.Experiment, error) {
	if IsPath(name) {
		raw, err := sys.ReadRegular(name, maxFile)
		if err != nil {
			return harness.Experiment{}, in("open experiment", err)
		}
		return Parse(name, raw, v)
	}
	if err := harness.Known("experiment", name, Names()); err != nil {
		return harness.Experiment{}, err
	}
	raw, err := files.ReadFile(name + suffix)
	if err != nil {
		return harness.Experiment{}, in("open experiment", err)
	}
	e, err := parse(shipped(name), raw, v)
	if err == nil && e.Name != name {
		err = fmt.Errorf("experiments/%s: its name is %q, the file's is %q", name, e.Name, name)
	}
	return e, err
}

// shipped is the file of a shipped definition.
func shipped(name string) *file { return &file{name: path.Join("experiments", name+suffix)} }

// id tells files apart, for circles.
func (f *file) id() string {
	if abs, err := filepath.Abs(f.name); err == nil && f.user {
		return abs
	}
	return f.name
}

// beside is a path in a definition, from the folder that the program stands in. It begins so that it is known as a path.
func (f *file) beside(name string) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(f.name), name)
	}
	if filepath.IsAbs(name) || strings.HasPrefix(name, "../") {
		return name
	}
	return "./" + name
}

// IsObjectPath reports whether a variant's object is the path of a file and not one of the lab's.
func IsObjectPath(object string) bool {
	return strings.HasSuffix(object, ".o") || strings.HasSuffix(object, ".c") || strings.HasPrefix(object, "./") ||
		strings.HasPrefix(object, "../") || filepath.IsAbs(object)
}
