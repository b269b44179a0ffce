// SPDX-License-Identifier: Apache-2.0

package tcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/kxlab/kxlab/harness/netlab"
)

// The protocol of the lab's servers, over TCP and UDP, all numbers in big endian.
//
// A request is a header of 16 bytes and padding: magic, sequence number, size of the request, size of the response; both sizes
// count the header. A response is a header of 16 bytes and padding: index of the real that answers, checksum of the whole
// request as received, sequence number, size of the response. Padding depends on the sequence number and the offset, so that
// lost, duplicate or changed bytes are found in either direction.
const (
	wireHeader = 16
	wireMagic  = 0x6b786c62
	// maxMessage is the largest request or response, bytes.
	maxMessage = 1 << 20
	// maxDatagram is the largest request or response over UDP, bytes.
	maxDatagram = 1400
)

var errWire = errors.New("not a message of the lab")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// putRequest fills buf, whose length is the request's size.
func putRequest(buf []byte, seq uint32, response int) {
	binary.BigEndian.PutUint32(buf, wireMagic)
	binary.BigEndian.PutUint32(buf[4:], seq)
	binary.BigEndian.PutUint32(buf[8:], uint32(len(buf)))
	binary.BigEndian.PutUint32(buf[12:], uint32(response))
	fillPattern(buf[wireHeader:], seq)
}

// A wireRequest is the header of a request.
type wireRequest struct {
	seq            uint32
	size, response int
}

func parseRequest(header []byte) (r wireRequest, err error) {
	if len(header) < wireHeader || binary.BigEndian.Uint32(header) != wireMagic {
		return r, errWire
	}
	r.seq = binary.BigEndian.Uint32(header[4:])
	size, response := binary.BigEndian.Uint32(header[8:]), binary.BigEndian.Uint32(header[12:])
	if size < wireHeader || size > maxMessage || response < wireHeader || response > maxMessage {
		return r, errWire
	}
	r.size, r.response = int(size), int(response)
	return r, nil
}

// putResponse fills buf, whose length is the response's size. sum is the checksum of the request.
func putResponse(buf []byte, real int, sum, seq uint32) {
	binary.BigEndian.PutUint32(buf, uint32(real))
	binary.BigEndian.PutUint32(buf[4:], sum)
	binary.BigEndian.PutUint32(buf[8:], seq)
	binary.BigEndian.PutUint32(buf[12:], uint32(len(buf)))
	fillPattern(buf[wireHeader:], seq)
}

// checkResponse returns the real that answered, or an error if the request or the response was changed on its way.
func checkResponse(buf []byte, seq, sum uint32) (real int, err error) {
	real = int(binary.BigEndian.Uint32(buf))
	switch {
	case real >= netlab.MaxReals:
		return 0, fmt.Errorf("response from real %d, there are at most %d", real, netlab.MaxReals)
	case binary.BigEndian.Uint32(buf[8:]) != seq:
		return real, fmt.Errorf("response to request %d, want %d", binary.BigEndian.Uint32(buf[8:]), seq)
	case binary.BigEndian.Uint32(buf[12:]) != uint32(len(buf)):
		return real, fmt.Errorf("response of %d bytes, want %d", binary.BigEndian.Uint32(buf[12:]), len(buf))
	case binary.BigEndian.Uint32(buf[4:]) != sum:
		return real, errors.New("request was changed on its way")
	case !checkPattern(buf[wireHeader:], seq):
		return real, errors.New("response was changed on its way")
	}
	return real, nil
}

func checksum(request []byte) uint32 { return crc32.Checksum(request, castagnoli) }

func patternByte(seq uint32, i int) byte { return byte(seq) + byte(i) + byte(i>>8)*31 + byte(i>>16)*17 }

func fillPattern(b []byte, seq uint32) {
	for i := range b {
		b[i] = patternByte(seq, i)
	}
}

func checkPattern(b []byte, seq uint32) bool {
	for i := range b {
		if b[i] != patternByte(seq, i) {
			return false
		}
	}
	return true
}
