// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func outBytes(port uint16, p *byte, n int)
TEXT ·outBytes(SB), NOSPLIT, $0-24
	MOVW port+0(FP), DX
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	CLD
	REP; OUTSB
	RET

// func spin(n int64)
TEXT ·spin(SB), NOSPLIT, $0-8
	MOVQ n+0(FP), CX
loop:
	DECQ CX
	JNZ  loop
	RET

// func outWord(port, value uint16)
TEXT ·outWord(SB), NOSPLIT, $0-4
	MOVW port+0(FP), DX
	MOVW value+2(FP), AX
	OUTW
	RET

// func inBytes(port uint16, p *byte, n int)
TEXT ·inBytes(SB), NOSPLIT, $0-24
	MOVW port+0(FP), DX
	MOVQ p+8(FP), DI
	MOVQ n+16(FP), CX
	CLD
	REP; INSB
	RET
