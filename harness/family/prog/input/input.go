// SPDX-License-Identifier: Apache-2.0

// Package input reads what programs get from files: captures (pcap, pcapng), bytes, and descriptions in YAML.
package input

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/harness/sys"
)

const (
	// maxFile bounds a file, bytes.
	maxFile = 16 << 20
	// maxInputs is how many inputs a comparison has at most: each is a cell of its own.
	maxInputs = 256
)

// Read reads files in order. Inputs without a name are named after their file: FILE, or FILE.1, FILE.2 and so on.
func Read(files []string) ([]prog.Input, error) {
	var out []prog.Input
	for _, path := range files {
		raw, err := sys.ReadRegular(path, maxFile)
		if err != nil {
			return nil, fmt.Errorf("read input %w", err) // with the path
		}
		more, err := parse(path, raw)
		if err != nil {
			return nil, fmt.Errorf("read input %w", err)
		}
		if out = append(out, more...); len(out) > maxInputs {
			return nil, fmt.Errorf("read input %s: more than %d inputs, each of which is measured by itself: take fewer packets (tcpdump -r FILE -c %d -w NEW)", path, maxInputs, maxInputs)
		}
	}
	return out, nil
}

// parse reads a file by its first bytes, or else by its ending. Errors begin with the path; of a capture it is a sys.FileError.
func parse(path string, raw []byte) (out []prog.Input, err error) {
	name := baseName(path)
	switch ending := strings.ToLower(filepath.Ext(path)); {
	case isCapture(raw), ending == ".pcap", ending == ".pcapng", ending == ".cap":
		if out, err = capture(name, raw); err != nil {
			return nil, &sys.FileError{Path: path, Why: err.Error()}
		}
	case ending == ".yaml", ending == ".yml":
		out, err = description(name, raw)
	case ending == ".bin":
		out = []prog.Input{{Name: name, Data: raw}}
	default:
		err = errors.New("neither a capture (.pcap, .pcapng), nor a description (.yaml), nor bytes (.bin)")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// baseName is a file's name without its ending, of characters that a name in a record may have.
func baseName(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	name = strings.Map(func(r rune) rune {
		if r == '.' || r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
	return strings.Trim(strings.ReplaceAll(name, "-", "_"), "_")
}

// The first words of captures: pcap in micro- and nanoseconds and either byte order, pcapng.
var magics = []uint32{0xa1b2c3d4, 0xa1b23c4d, 0xd4c3b2a1, 0x4d3cb2a1, pcapngMagic}

const pcapngMagic = 0x0a0d0d0a

func isCapture(raw []byte) bool {
	if len(raw) < 4 {
		return false
	}
	first := binary.LittleEndian.Uint32(raw)
	for _, m := range magics {
		if first == m {
			return true
		}
	}
	return false
}

// capture reads the packets of a capture, whose link type must be Ethernet.
func capture(name string, raw []byte) (out []prog.Input, err error) {
	var r interface {
		gopacket.PacketDataSource
		LinkType() layers.LinkType
	}
	if len(raw) >= 4 && binary.LittleEndian.Uint32(raw) == pcapngMagic {
		r, err = pcapgo.NewNgReader(bytes.NewReader(raw), pcapgo.DefaultNgReaderOptions)
	} else {
		r, err = pcapgo.NewReader(bytes.NewReader(raw))
	}
	if err != nil {
		return nil, fmt.Errorf("not a capture: %w", err)
	}
	if r.LinkType() != layers.LinkTypeEthernet {
		return nil, fmt.Errorf("captured on a link of type %v, and programs get Ethernet frames", r.LinkType())
	}
	for {
		data, info, err := r.ReadPacketData()
		switch {
		case err == io.EOF:
			if len(out) == 0 {
				return nil, errors.New("the capture has no packet")
			}
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("packet %d: the capture is damaged or cut off: %w", len(out)+1, err)
		case info.CaptureLength < info.Length:
			return nil, fmt.Errorf("packet %d: %d of %d bytes were captured: capture whole packets (tcpdump -s 0)", len(out)+1, info.CaptureLength, info.Length)
		}
		out = append(out, prog.Input{Name: fmt.Sprintf("%s.%d", name, len(out)+1), Packet: true, Data: bytes.Clone(data)})
		if len(out) > maxInputs {
			return out, nil
		}
	}
}
