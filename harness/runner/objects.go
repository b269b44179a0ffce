// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
)

// Objects are BPF objects by their names. In a job they are packed: a guest reads its task a byte at a time, which takes this machine a
// microsecond each.
type Objects map[string][]byte

// packedStep is what the length of a packed object is a multiple of, bytes: programs that differ little make jobs of one length.
const packedStep = 16 << 10

// MarshalJSON packs the objects.
func (o Objects) MarshalJSON() ([]byte, error) {
	packed := map[string][]byte{}
	for name, raw := range o {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.DefaultCompression)
		if err == nil {
			_, err = w.Write(raw)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("pack object %s: %w", name, err)
		}
		b.Write(make([]byte, (packedStep-b.Len()%packedStep)%packedStep)) // behind the end of the stream
		packed[name] = b.Bytes()
	}
	return json.Marshal(packed)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (o *Objects) UnmarshalJSON(text []byte) error {
	var packed map[string][]byte
	if err := json.Unmarshal(text, &packed); err != nil {
		return err
	}
	*o = Objects{}
	for name, b := range packed {
		raw, err := io.ReadAll(flate.NewReader(bytes.NewReader(b)))
		if err != nil {
			return fmt.Errorf("unpack object %s: %w", name, err)
		}
		(*o)[name] = raw
	}
	return nil
}
