// SPDX-License-Identifier: Apache-2.0

package experiments

import (
	"embed"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

//go:embed *.yaml
var files embed.FS

const (
	suffix     = ".yaml"
	claimsFile = "claims.yaml"
)

// maxFile bounds what is read as a definition, bytes.
const maxFile = 1 << 20

// A Vocabulary holds the families, whose words definitions may use. The zero value leaves them unchecked.
type Vocabulary struct{ Families map[string]harness.Family }

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
		raw, err := readUser(name)
		if err != nil {
			return harness.Experiment{}, in("open experiment", err)
		}
		return Parse(name, raw, v)
	}
	if err := harness.Known("experiment", name, Names()); err != nil {
		return harness.Experiment{}, err
	}
	file := name + suffix
	raw, err := files.ReadFile(file)
	if err != nil {
		return harness.Experiment{}, in("open experiment", err)
	}
	e, err := Parse(path.Join("experiments", file), raw, v)
	if err == nil && e.Name != name {
		err = fmt.Errorf("experiments/%s: its name is %q, the file's is %q", file, e.Name, name)
	}
	return e, err
}

func readUser(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s: not a regular file of at most %d bytes", name, maxFile)
	}
	return os.ReadFile(name)
}
