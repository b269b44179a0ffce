// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
)

// Pack returns a value as JSON, compressed and with a sum, by which Unpack notices a flipped bit.
func Pack(v any) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(v); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Unpack reads what Pack returned.
func Unpack(packed []byte, v any) error {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(z); err != nil { // to the end, where the sum is
		return err
	}
	return json.Unmarshal(raw.Bytes(), v)
}
