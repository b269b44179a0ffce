// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// sumsFile has the SHA-256 sums of a finished run's record, as sha256sum writes and checks them. Runs of before the file lack it.
const sumsFile = "SHA256SUMS"

// recordFiles are the files of a run directory that only measuring can make.
func recordFiles() []string {
	return []string{benchFile, EnvFile, functionLines.file, samplesFile, stackLines.file}
}

// sum is the SHA-256 sum of a file in hexadecimal digits.
func sum(fsys fs.FS, name string) (string, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return "", err
	}
	all := sha256.Sum256(data)
	return hex.EncodeToString(all[:]), nil
}

// writeSums writes the sums of the record as it is on the disk.
func (w *Writer) writeSums() error {
	var b bytes.Buffer
	for _, name := range recordFiles() {
		digits, err := sum(w.root.FS(), name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", digits, name)
	}
	return errors.Join(WriteFile(w.root, sumsFile, b.Bytes()), w.dir.Sync())
}

// checkSums returns an error if the run has sums and a file of its record is not as they say.
func checkSums(fsys fs.FS) error {
	data, err := fs.ReadFile(fsys, sumsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	want := map[string]string{}
	for line := range strings.Lines(string(data)) {
		digits, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		want[name] = digits
	}
	for _, name := range recordFiles() {
		digits, err := sum(fsys, name)
		_, listed := want[name]
		switch {
		case errors.Is(err, fs.ErrNotExist) && listed:
			return fmt.Errorf("%w: no %s", errDamaged, name)
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !listed:
			return fmt.Errorf("%w: %s does not list %s", errDamaged, sumsFile, name)
		case digits != want[name]:
			return fmt.Errorf("%w: %s is not what the run wrote", errDamaged, name)
		}
	}
	return nil
}
