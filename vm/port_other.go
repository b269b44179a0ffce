// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package vm

import "errors"

func outBytes(uint16, *byte, int) {}

func spin(n int64) {
	for range n {
	}
}

func outWord(uint16, uint16) {}

func inBytes(uint16, *byte, int) {}

func allowPorts(uint16, int) error { return errors.ErrUnsupported }
