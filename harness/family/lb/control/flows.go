// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// errFull is what a map without room for another element answers.
var errFull error = unix.E2BIG

// flush empties the flow tables.
func (m *lbMaps) flush() error {
	for _, f := range m.flows {
		var err error
		switch f.Type() {
		case ebpf.Array:
			err = zero(f)
		case ebpf.Hash, ebpf.LRUHash, ebpf.PerCPUHash, ebpf.LRUCPUHash:
			err = empty(f)
		default:
			err = fmt.Errorf("map type %s is not known as a flow table", f.Type())
		}
		if err != nil {
			return fmt.Errorf("flush flow table %s of %s: %w", f, m.object, err)
		}
	}
	return nil
}

// zero overwrites an array through its shared memory.
func zero(f *ebpf.Map) error {
	mem, err := f.Memory()
	if err != nil {
		return err
	}
	const chunk = 1 << 20
	zeros := make([]byte, min(chunk, mem.Size()))
	for off := uint32(0); off < mem.Size(); off += uint32(len(zeros)) {
		n := min(uint32(len(zeros)), mem.Size()-off)
		if _, err := mem.WriteAt(zeros[:n], int64(off)); err != nil {
			return err
		}
	}
	return nil
}

// empty deletes every element of a hash table, in batches where the kernel can.
func empty(f *ebpf.Map) error {
	if f.Type() == ebpf.PerCPUHash || f.Type() == ebpf.LRUCPUHash {
		return emptySlowly(f)
	}
	const batch = 1 << 14
	keys, values := byteArrays(batch, int(f.KeySize())), byteArrays(batch, int(f.ValueSize()))
	var cursor ebpf.MapBatchCursor
	for {
		_, err := f.BatchLookupAndDelete(&cursor, keys, values, nil)
		switch {
		case err == nil:
		case errors.Is(err, ebpf.ErrKeyNotExist):
			return nil
		default:
			return emptySlowly(f)
		}
	}
}

// byteArrays returns a slice of n byte arrays of the given length, as batch operations want it.
func byteArrays(n, length int) any {
	array := reflect.ArrayOf(length, reflect.TypeFor[byte]())
	return reflect.MakeSlice(reflect.SliceOf(array), n, n).Interface()
}

// emptySlowly deletes every element of a hash table, one by one. Programs may add and evict meanwhile.
func emptySlowly(f *ebpf.Map) error {
	for range 2 * int(f.MaxEntries()) {
		key, err := f.NextKeyBytes(nil)
		if err != nil {
			return err
		}
		if key == nil {
			return nil
		}
		if err := f.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
	}
	return errors.New("it fills as fast as it is emptied")
}
