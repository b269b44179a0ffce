// SPDX-License-Identifier: Apache-2.0

// No code: a package with an assembly file may declare functions without a body, as thread.go does.
