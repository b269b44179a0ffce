// SPDX-License-Identifier: Apache-2.0

// Package readers reads the files in ../testdata, which package export wrote, as the programs do that they are for: OpenMetrics by
// Prometheus's own parser, JSON against its formats' schemas. The schemas in its folder were written from the public documentation that
// each names. It is a module of its own, because the lab needs none of these libraries.
package readers
