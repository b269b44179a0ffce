// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/binary"
	"io"
)

// writeQCOW2 writes an empty disk of 1 MiB in the format qcow2, version 3 (QEMU, docs/interop/qcow2.txt), in which QEMU can store a
// snapshot of a guest. No guest uses it as a disk.
func writeQCOW2(w io.Writer) error {
	const (
		clusterBits = 16
		cluster     = 1 << clusterBits
		refTableAt  = 1 * cluster
		refBlockAt  = 2 * cluster
		l1At        = 3 * cluster
		clusters    = 4
		header      = 104 // bytes
	)
	b := make([]byte, clusters*cluster)
	be := binary.BigEndian
	copy(b, "QFI\xfb")
	be.PutUint32(b[4:], 3) // version
	be.PutUint32(b[20:], clusterBits)
	be.PutUint64(b[24:], 1<<20) // size of the disk
	be.PutUint32(b[36:], 1)     // entries of the L1 table
	be.PutUint64(b[40:], l1At)
	be.PutUint64(b[48:], refTableAt) // table of reference count blocks
	be.PutUint32(b[56:], 1)          // clusters of that table
	be.PutUint32(b[96:], 4)          // a reference count has 2^4 bits
	be.PutUint32(b[100:], header)
	be.PutUint64(b[refTableAt:], refBlockAt)
	for i := range clusters {
		be.PutUint16(b[refBlockAt+2*i:], 1)
	}
	_, err := w.Write(b)
	return err
}
