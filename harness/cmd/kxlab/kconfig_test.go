// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/source"
	"github.com/kxlab/kxlab/vm"
)

// hzSource is an XDP program that returns the kernel's ticks per second, of its configuration. WEAK stands behind an option of no kernel.
const hzSource = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern unsigned long CONFIG_HZ __kconfig;
extern char CONFIG_KXLAB_TEXT[8] __kconfig __weak;
extern _Bool CONFIG_KXLAB_NONE __kconfig WEAK;
extern int LINUX_KERNEL_VERSION __kconfig;

SEC("xdp")
int hz(struct xdp_md *ctx)
{
	if (CONFIG_KXLAB_NONE || CONFIG_KXLAB_TEXT[0] || !LINUX_KERNEL_VERSION)
		return XDP_ABORTED;
	return CONFIG_HZ;
}

char _license[] SEC("license") = "GPL";
`

// writeHZ writes both forms of hzSource into the working folder: hz.bpf.c, which can do without the option, and strong.bpf.c.
func writeHZ(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip(err)
	}
	t.Chdir(t.TempDir())
	for name, weak := range map[string]string{"hz.bpf.c": "__weak", "strong.bpf.c": ""} {
		if err := os.WriteFile(name, []byte(strings.Replace(hzSource, "WEAK", weak, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestConfigOf: guests get the options that objects ask for, as the kernel's configuration has them; 0 stands for one that the program can
// do without, and a kernel whose configuration is not known gives none.
func TestConfigOf(t *testing.T) {
	writeHZ(t)
	have := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(have, []byte("CONFIG_HZ=250\nCONFIG_SMP=y\n# CONFIG_KXLAB_NONE is not set\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"hz.bpf.c":     "# what objects ask for\nCONFIG_HZ=250\nCONFIG_KXLAB_NONE=n\nCONFIG_KXLAB_TEXT=\"\"\n",
		"strong.bpf.c": "# what objects ask for\nCONFIG_HZ=250\nCONFIG_KXLAB_TEXT=\"\"\n",
	} {
		o, err := source.Open(t.Context(), name, "")
		if err != nil {
			t.Fatal(err)
		}
		asked, err := bpfobj.KernelOptions(o.Raw)
		if err != nil {
			t.Fatal(err)
		}
		got, err := configOf(&vm.Kernel{Config: have}, asked)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if got, err := configOf(&vm.Kernel{}, asked); got != "" || err != nil {
			t.Errorf("%s: of a kernel without a known configuration: %q, %v", name, got, err)
		}
	}
	if asked, err := bpfobj.KernelOptions(make([]byte, 64)); len(asked) > 0 || err != nil { // the other side of ab
		t.Errorf("zeros ask for %v, %v", asked, err)
	}
}

// TestConfigInGuest: a program reads its kernel's configuration, and one that asks for what the kernel lacks is not supported.
func TestConfigInGuest(t *testing.T) {
	needsGuests(t)
	writeHZ(t)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	k, err := vm.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	options, err := k.Options()
	if err != nil || options["HZ"] == "" {
		t.Fatalf("kernel %s: %v, no CONFIG_HZ", k, err)
	}
	args := strings.Fields("ab return hz.bpf.c --like prog --axis input=arp --allow-difference --repeat 1")
	cmd, errs := command(t, dir, args...)
	out, err := cmd.Output()
	if want := fmt.Sprintf("arp: returns XDP_PASS (2) | %s\n", options["HZ"]); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v: %s%s\nwant %s", err, out, errs, want)
	}
	args[2] = "strong.bpf.c"
	cmd, errs = command(t, dir, args...)
	out, err = cmd.Output()
	want := "B, strong.bpf.c: experiment prog: nothing could run here"
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != codeNothing || len(out) > 0 || !strings.Contains(errs.String(), want) ||
		!strings.Contains(errs.String(), "it asks for CONFIG_KXLAB_NONE, without which this kernel is built") {
		t.Errorf("%v: %s%s\nwant %s", err, out, errs, want)
	}
}
