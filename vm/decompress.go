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

// unpackedMax limits the size of an unpacked kernel image or module, bytes.
const unpackedMax = 1 << 30

var errTooLong = errors.New("unpacked data is too long")

// decompress unpacks data in the formats gzip, zstd and xz, to at most limit bytes. Errors about other formats, and about xz where the
// program xz is not installed, wrap harness.ErrNotSupported. No module in the build decodes xz.
func decompress(ctx context.Context, data []byte, limit int64) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		return decompressGzip(data, limit)
	case bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return decompressZstd(data, limit)
	case bytes.HasPrefix(data, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return decompressXZ(ctx, data, limit)
	}
	return nil, harness.Skip("compression format is not gzip, xz or zstd: first bytes % x", data[:min(len(data), 6)])
}

func decompressGzip(data []byte, limit int64) (out []byte, err error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err == nil {
		out, err = readAtMost(r, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return out, nil
}

// decompressZstd reads a stream, because a decoder with a limit refuses the windows of 128 MiB with which kernels are packed.
func decompressZstd(data []byte, limit int64) ([]byte, error) {
	d, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	defer d.Close()
	out, err := readAtMost(d, limit)
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return out, nil
}

func decompressXZ(ctx context.Context, data []byte, limit int64) ([]byte, error) {
	path, err := sys.LookTool("xz", "xz-utils")
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "-dc", "--single-stream")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(data), &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	out, err := readAtMost(stdout, limit)
	stdout.Close() // ends xz if it has more
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("%w: %s", ended, lastLines(stderr.String(), 2))
	}
	if err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	return out, nil
}

// readAtMost reads to the end, at most limit bytes.
func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(out)) > limit {
		return nil, errTooLong
	}
	return out, err
}
