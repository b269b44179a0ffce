// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"fmt"
	"os"
)

// ReadRegular reads a file of at most most bytes that a user named. A FIFO or a device, which may never end, is refused.
func ReadRegular(path string, most int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > most {
		return nil, fmt.Errorf("%s: not a regular file of at most %d KiB", path, most>>10)
	}
	return os.ReadFile(path)
}
