// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/klauspost/compress/zstd"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// unpackedMax is the most, in bytes, that a kernel image or a module may unpack to.
const unpackedMax = 1 << 30

var errTooLong = errors.New("unpacked data is too long")

// decompress unpacks data that begins as gzip, zstd or xz do, to at most limit bytes. Other formats, and xz where the program xz is
// not installed, wrap harness.ErrNotSupported.
//
// xz runs a program because no module in the build decodes it.
func decompress(ctx context.Context, data []byte, limit int64) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		out := limitedBuffer{remaining: limit}
		if _, err := io.Copy(&out, r); err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return out.data, nil
	case bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return decompressZstd(data, limit)
	case bytes.HasPrefix(data, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return decompressXZ(ctx, data, limit)
	}
	return nil, harness.Skip("compression format is not gzip, xz or zstd: first bytes % x", data[:min(len(data), 6)])
}

// decompressZstd reads a stream, because a decoder that is told the limit refuses the windows of 128 MiB that kernels are packed with.
func decompressZstd(data []byte, limit int64) ([]byte, error) {
	d, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	defer d.Close()
	out := limitedBuffer{remaining: limit}
	if _, err := io.Copy(&out, d); err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return out.data, nil
}

func decompressXZ(ctx context.Context, data []byte, limit int64) ([]byte, error) {
	path, err := sys.LookTool("xz", "xz-utils")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, "-dc", "--single-stream")
	out := limitedBuffer{remaining: limit}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &out, &stderr
	switch err := cmd.Run(); {
	case out.full: // xz may have died of the closed pipe
		return nil, fmt.Errorf("xz: %w", errTooLong)
	case err != nil:
		return nil, fmt.Errorf("xz: %w: %s", err, lastLines(stderr.String(), 2))
	}
	return out.data, nil
}

// A limitedBuffer keeps what is written to it, up to remaining bytes more.
type limitedBuffer struct {
	data      []byte
	remaining int64
	full      bool // a write was refused
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if int64(len(p)) > b.remaining {
		b.full = true
		return 0, errTooLong
	}
	b.remaining -= int64(len(p))
	b.data = append(b.data, p...)
	return len(p), nil
}
