// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"os"
	"testing"

	"github.com/kxlab/kxlab/harness"
)

// TestFindToolWithoutSbin: tools of administrators are found with a PATH that has no sbin, as doctor finds them.
func TestFindToolWithoutSbin(t *testing.T) {
	const name = "iptables-legacy"
	if _, err := os.Stat("/usr/sbin/" + name); err != nil {
		t.Skip(err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := findTool(name, "iptables"); err != nil {
		t.Error(err)
	}
	if _, err := findTool("kxlab-no-such-tool", "nothing"); !errors.Is(err, harness.ErrNotSupported) {
		t.Errorf("error %v, want one that says not supported", err)
	}
}
