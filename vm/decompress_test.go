// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

func gzipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstdEncoded(t testing.TB, data []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

// zstdWide is zstd as kernels are packed: its window, of 128 MiB, is larger than what it unpacks to.
func zstdWide(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(128<<20), zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(data, len(data)/4+1) { // what is written at once says its length, and needs no window
		if _, err = w.Write(part); err == nil {
			err = w.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// xzHello is "hello, kernel\n", as xz writes it.
const xzHello = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQANaGVsbG8sIGtlcm5lbAoAAADa+vyrXkCIngABJg4IG+AEH7bzfQEAAAAABFla"

func TestDecompress(t *testing.T) {
	plain := bytes.Repeat([]byte("hello, kernel\n"), 100_000)
	hello, err := base64.StdEncoding.DecodeString(xzHello)
	if err != nil {
		t.Fatal(err)
	}
	_, noXZ := sys.LookTool("xz")
	for _, c := range []struct {
		name       string
		data, want []byte
	}{
		{"gzip", gzipped(t, plain), plain}, {"zstd", zstdEncoded(t, plain), plain}, {"zstd wide", zstdWide(t, plain), plain}, {"xz", hello, []byte("hello, kernel\n")},
	} {
		if c.name == "xz" && noXZ != nil {
			t.Log("xz: not tested:", noXZ)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if got, err := decompress(t.Context(), c.data, int64(len(c.want))); err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("%d bytes, %v; want %d", len(got), err, len(c.want))
			}
			if _, err := decompress(t.Context(), c.data, int64(len(c.want)-1)); !errors.Is(err, errTooLong) {
				t.Errorf("a byte more than allowed: %v", err)
			}
			if _, err := decompress(t.Context(), c.data[:len(c.data)/2], unpackedMax); err == nil || errors.Is(err, harness.ErrNotSupported) {
				t.Errorf("half of the data: %v", err)
			}
		})
	}
	if _, err := decompress(t.Context(), []byte("\x02\x21\x4c\x18lz4"), 100); !errors.Is(err, harness.ErrNotSupported) {
		t.Errorf("another format: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := sys.LookTool("xz"); err == nil {
		return // in a folder for administrators
	}
	_, err = decompress(t.Context(), hello, 100)
	wantError(t, err, true, "apt-get install xz-utils")
}

// bzImage makes the parts of a kernel image that unpackImage reads.
func bzImage(payload []byte, size int) []byte {
	const sectors = 4
	raw := make([]byte, (sectors+1)*512+16)
	raw[0x1f1] = sectors
	binary.LittleEndian.PutUint32(raw[0x248:], 16)
	binary.LittleEndian.PutUint32(raw[0x24c:], uint32(len(payload)+4))
	raw = append(raw, payload...)
	return append(binary.LittleEndian.AppendUint32(raw, uint32(size)), "what follows"...)
}

func TestUnpackImage(t *testing.T) {
	elf := append([]byte("\x7fELF"), bytes.Repeat([]byte("kernel"), 1000)...)
	packed := zstdEncoded(t, elf)
	zero := bzImage(packed, len(elf))
	zero[0x1f1] = 0 // which means 4
	for name, raw := range map[string][]byte{"zstd": bzImage(packed, len(elf)), "gzip": bzImage(gzipped(t, elf), len(elf)), "no sectors": zero} {
		if got, err := unpackImage(t.Context(), raw); err != nil || !bytes.Equal(got, elf) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(elf))
		}
	}
	outside := bzImage(packed, len(elf))
	binary.LittleEndian.PutUint32(outside[0x24c:], uint32(len(outside)))
	none := bzImage(nil, 0)
	binary.LittleEndian.PutUint32(none[0x24c:], 3)
	for name, raw := range map[string][]byte{
		"no length":         none,
		"short":             make([]byte, 0x24f),
		"outside":           outside,
		"more than it says": bzImage(packed, len(elf)-1),
		"less than it says": bzImage(packed, len(elf)+1),
		"too long":          bzImage(packed, unpackedMax+1),
		"no ELF":            bzImage(zstdEncoded(t, elf[1:]), len(elf)-1),
	} {
		got, err := unpackImage(t.Context(), raw)
		if err == nil || got != nil {
			t.Errorf("%s: %d bytes and no error", name, len(got))
		}
		if !errors.Is(err, errNotKernel) && !errors.Is(err, errTooLong) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "too long" && !strings.Contains(err.Error(), "unpacks to 1073741825 bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An image of any bytes is an error or an ELF file, within bounds.
func FuzzUnpackImage(f *testing.F) {
	elf := []byte("\x7fELF and more")
	f.Add(bzImage(zstdEncoded(f, elf), len(elf)))
	f.Add(bzImage(gzipped(f, elf), len(elf)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 0x250 && bytes.Contains(raw, []byte("\xfd7zXZ")) {
			t.Skip("runs a program")
		}
		got, err := unpackImage(t.Context(), raw)
		if err == nil && !bytes.HasPrefix(got, []byte("\x7fELF")) {
			t.Errorf("unpacked %q", got)
		}
	})
}
