// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// errFull is the kernel's error for adding an element to a full map.
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
			err = fmt.Errorf("map type %s is not one of flow tables", f.Type())
		}
		if err != nil {
			return fmt.Errorf("flush flow table %s of %s: %w", f, m.object, err)
		}
	}
	return nil
}

// zero clears an array: in batches, or through its shared memory if the kernel has none of arrays (before 5.13). In a virtual machine the
// memory's first touch costs more than a system call for 16,384 elements.
func zero(f *ebpf.Map) error {
	n := min(1<<14, int(f.MaxEntries()))
	keys, zeros := make([]uint32, n), byteArrays(n, int(f.ValueSize()))
	for first := uint32(0); first < f.MaxEntries(); first += uint32(n) {
		first := min(first, f.MaxEntries()-uint32(n)) // the last batch overlaps
		for i := range keys {
			keys[i] = first + uint32(i)
		}
		if _, err := f.BatchUpdate(keys, zeros, nil); errors.Is(err, ebpf.ErrNotSupported) {
			return zeroMemory(f)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// zeroMemory clears an array through its shared memory.
func zeroMemory(f *ebpf.Map) error {
	mem, err := f.Memory()
	if err != nil {
		return err
	}
	zeros := make([]byte, min(1<<20, mem.Size()))
	for off := 0; off < int(mem.Size()); off += len(zeros) {
		if _, err := mem.WriteAt(zeros[:min(len(zeros), int(mem.Size())-off)], int64(off)); err != nil {
			return err
		}
	}
	return nil
}

// empty deletes every element of a hash table, in batches if the kernel supports them.
func empty(f *ebpf.Map) error {
	if f.Type() == ebpf.PerCPUHash || f.Type() == ebpf.LRUCPUHash {
		return emptySlowly(f)
	}
	const batch = 1 << 14
	keys, values := byteArrays(batch, int(f.KeySize())), byteArrays(batch, int(f.ValueSize()))
	var cursor ebpf.MapBatchCursor
	for {
		if _, err := f.BatchLookupAndDelete(&cursor, keys, values, nil); errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		} else if err != nil {
			return emptySlowly(f)
		}
	}
}

// byteArrays returns a slice of n byte arrays of the length, the type that batch operations need.
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
	return errors.New("programs add elements as fast as they are deleted")
}
