// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/labtest"
)

// ccObjects lists the objects with a congestion control.
func ccObjects(t testing.TB) []string {
	t.Helper()
	var out []string
	for _, name := range bpf.Names() {
		if strings.HasPrefix(name, "cc/") {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		t.Fatal("there is no congestion control object")
	}
	return out
}

// ccVariant is the variant of an object with knobs.
func ccVariant(object string, knobs ...harness.Knob) harness.Variant {
	return harness.Variant{Name: strings.TrimPrefix(object, "cc/"), Attach: "struct_ops", Object: object, Knobs: knobs}
}

// putCC puts a congestion control in force until the test ends. A test of one of the kernel's own that is missing is
// skipped.
func putCC(t testing.TB, v harness.Variant) congestionControl {
	t.Helper()
	labtest.AsRoot(t)
	e, err := methods(bpfobj.New(bpfobj.Options{})).Put(context.Background(), v, harness.Site{})
	if v.Attach == "tcp-cc" && errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err) // a port is tried also where the original is missing
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}
