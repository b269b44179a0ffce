// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/owner"
)

func TestSplitShell(t *testing.T) {
	got, err := splitShell(`qemu -append 'a=b "c d"' -x "e f" --empty '' end`)
	want := []string{"qemu", "-append", `a=b "c d"`, "-x", "e f", "--empty", "", "end"}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := splitShell("a 'b"); err == nil {
		t.Error("an open quote is no error")
	}
}

func TestConvertArgs(t *testing.T) {
	got := convertArgs(strings.Fields("-m 1G -serial chardev:console -chardev file,id=console,path=/dev/null " +
		"-chardev file,id=ret,path=/tmp/x -device virtserialport,chardev=ret -display none -no-reboot -kernel k"))
	want := strings.Fields("-m 1G -chardev null,id=ret -device virtserialport,chardev=ret -kernel k")
	if !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A virtme guest has this machine's root file system, cannot write to it, and leaves nothing behind.
func TestVirtme(t *testing.T) {
	if !labtest.Soak() {
		t.Skip("boots a whole system: make soak runs it")
	}
	c, out := guestCmd(t, "")
	k, err := Open(t.Context(), DefaultSpec+"/full")
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(t.TempDir(), "mark") // below /tmp, which a guest has to itself
	c.Kernel, c.Virtme, c.Modules, c.Files = k, true, []string{"ip_vs_mh"}, map[string]File{"/run/x/word": {Content: []byte("word\n")}}
	c.Args = []string{"sh", "-c", "uname -r; cut -d' ' -f1 /proc/modules; cat /run/x/word; cat /etc/hostname; echo x >/usr/" +
		filepath.Base(mark) + " || echo refused; exit 6"}
	var exit *ExitError
	if err := run(t, c); !errors.As(err, &exit) || exit.Code != 6 {
		t.Fatalf("the program ends with 6, and the guest with %v", err)
	}
	name, err := os.ReadFile("/etc/hostname")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{k.Release + "\n", "ip_vs_mh\n", "word\n", string(name), "refused\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %q", want, out.String())
		}
	}
	dir, err := cache.Dir("guests")
	if err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, owner.Prefix+owner.Self()+"-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A kernel that cannot share this machine's root is not booted with it.
func TestVirtmeNeeds9P(t *testing.T) {
	c, _ := guestCmd(t, "hello")
	c.Virtme = true
	wantError(t, c.Run(t.Context()), true, "CONFIG_NET_9P_VIRTIO")
	k, err := Open(t.Context(), Full(""))
	if errors.Is(err, harness.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, _ = guestCmd(t, "hello")
	c.Kernel, c.Virtme, c.Memory = k, true, 64<<20
	wantError(t, c.Run(t.Context()), false, "a guest needs 128")
	c, _ = guestCmd(t, "hello")
	c.Virtme, c.Exact = true, &Exact{}
	wantError(t, c.Run(t.Context()), false, "cannot be exact")
}
