// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
)

// mostBytes bounds a file of a history.
const mostBytes = 256 << 20

// A file of format 2 says so in its first line and ends with a line of the sum of all before it, so that one that was cut off is noticed.
// Older files have neither line.
const (
	formatLine = "format: 2\n"
	sumKey     = "sum: "
)

// file is the entry's file.
func (e Entry) file() ([]byte, error) {
	b := bytes.NewBufferString(formatLine)
	if err := e.Write(b); err != nil {
		return nil, err
	}
	return append(b.Bytes(), sumLine(b.Bytes())...), nil
}

func sumLine(data []byte) string { return fmt.Sprintf("%s%x\n", sumKey, sha256.Sum256(data)) }

// checkSum returns an error for a file that is not whole; false if the file is older than sums. Ends of lines may be those of other systems.
func checkSum(data []byte, path string) (bool, error) {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	for _, mark := range []string{"<<<<<<< ", "=======\n", ">>>>>>> "} {
		if bytes.HasPrefix(data, []byte(mark)) || bytes.Contains(data, []byte("\n"+mark)) {
			return false, fmt.Errorf("%s: it has marks of a merge conflict of git: take one of both sides", path)
		}
	}
	damaged := func(what string) (bool, error) {
		return false, fmt.Errorf("%s: %s: restore it (git checkout), or remove it and add its runs again", path, what)
	}
	if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		return damaged("it is cut off within its last line")
	}
	if !bytes.HasPrefix(data, []byte(formatLine)) {
		if bytes.HasPrefix(data, []byte("format: ")) {
			return false, fmt.Errorf("%s: %w", path, errors.New("a newer lab wrote it: read it with that one"))
		}
		return false, nil
	}
	at := bytes.LastIndex(data, []byte("\n"+sumKey)) + 1
	switch {
	case at == 0 || bytes.Count(data[at:], []byte("\n")) > 1:
		return damaged("its last line is not its sum, so it is cut off or was changed")
	case string(data[at:]) != sumLine(data[:at]):
		return damaged("its sum is another, so it was changed")
	}
	return true, nil
}
