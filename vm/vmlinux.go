// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
)

// bootable returns the path of the file that QEMU boots. A compressed image unpacks itself in the guest, which takes more than half a
// second of a boot. A kernel with CONFIG_PVH boots uncompressed: bootable unpacks it once, into the cache. Else, or if the compression
// is not supported, the file is the image itself. A guest that boots asks for a whole file: a damaged one is unpacked anew.
func bootable(ctx context.Context, k *Kernel, whole bool) (string, error) {
	options, err := k.Options()
	if err != nil {
		return "", err
	}
	if options["PVH"] != "y" {
		return k.Image, nil
	}
	raw, err := os.ReadFile(k.Image)
	if err != nil {
		return "", fmt.Errorf("open kernel image: %w", err)
	}
	dir, err := cache.Dir("vmlinux")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	path := filepath.Join(dir, hex.EncodeToString(sum[:16])+".elf")
	if kept(ctx, "the unpacked kernel", path, whole) {
		return path, nil
	}
	vmlinux, err := unpackImage(ctx, raw)
	if errors.Is(err, harness.ErrNotSupported) {
		return k.Image, nil
	}
	if err != nil {
		return "", fmt.Errorf("unpack kernel image %s: %w", k.Image, err)
	}
	if err := cache.WriteSummed(path, func(f *os.File) error { _, err := f.Write(vmlinux); return err }); err != nil {
		return "", fmt.Errorf("unpack kernel image: %w", err)
	}
	cache.Prune(dir, vmlinuxMax)
	return path, nil
}

// kept reports whether the cache has a file, named by what, and notes that it was used. If whole is asked for and the file is damaged, it
// counts as missing, with a note.
func kept(ctx context.Context, what, path string, whole bool) bool {
	if !exists(path) {
		return false
	}
	if whole {
		if err := cache.Whole(path); err != nil {
			cache.Damaged(ctx, what+" "+path, err, "it is made anew")
			return false
		}
	}
	cache.Touch(path)
	return true
}

// Types returns the kernel's types (section .BTF of its ELF image). It is a harness.Skip if the image cannot be unpacked here.
func (k *Kernel) Types(ctx context.Context) ([]byte, error) {
	path, err := bootable(ctx, k, true)
	if err != nil {
		return nil, err
	}
	if path == k.Image {
		return nil, harness.Skip("read types of kernel %s: its image is not unpacked (no CONFIG_PVH, or an unknown compression)", k.Release)
	}
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read types of kernel %s: %w", k.Release, err)
	}
	defer f.Close()
	s := f.Section(".BTF")
	if s == nil {
		return nil, harness.Skip("read types of kernel %s: its image has none", k.Release)
	}
	return s.Data()
}

// InModules reports whether a text, such as a function's name, is in one of these modules or in one that they need. Modules that cannot
// be read may have it.
func (k *Kernel) InModules(ctx context.Context, names []string, text string) bool {
	all, err := k.modules(ctx, names)
	return err != nil || slices.ContainsFunc(all, func(m module) bool { return bytes.Contains(m.data, []byte(text)) })
}

// vmlinuxMax is the number of unpacked kernels in the cache.
const vmlinuxMax = 4

// unpackImage decompresses the payload of a bzImage (Documentation/arch/x86/boot.rst: payload_offset at 0x248 from the end of the
// set-up sectors, whose number is at 0x1f1; payload_length at 0x24c; the payload's last four bytes are its uncompressed length).
func unpackImage(ctx context.Context, raw []byte) ([]byte, error) {
	if len(raw) < 0x250 {
		return nil, errNotKernel
	}
	sectors := int(raw[0x1f1])
	if sectors == 0 {
		sectors = 4
	}
	start := (sectors+1)*512 + int(binary.LittleEndian.Uint32(raw[0x248:]))
	end := start + int(binary.LittleEndian.Uint32(raw[0x24c:]))
	if start+4 > end || end > len(raw) {
		return nil, errNotKernel
	}
	size := int(binary.LittleEndian.Uint32(raw[end-4 : end]))
	if size > unpackedMax {
		return nil, fmt.Errorf("%w: it unpacks to %d bytes by its header, at most %d are supported", errNotKernel, size, unpackedMax)
	}
	out, err := decompress(ctx, raw[start:end-4], int64(size))
	if err != nil {
		return nil, err
	}
	if len(out) != size || !bytes.HasPrefix(out, []byte("\x7fELF")) {
		return nil, fmt.Errorf("%w: the payload is %d bytes, an ELF file of %d bytes expected", errNotKernel, len(out), size)
	}
	return out, nil
}
