// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kxlab/kxlab/harness"
)

// A Kernel is an image that can be booted, with its modules.
type Kernel struct {
	Release string `json:"release"`           // as uname -r says
	Version string `json:"version,omitempty"` // version of the package; "" if the kernel is not of the distribution
	Suite   string `json:"suite,omitempty"`   // the distribution's suite, likewise
	Flavour string `json:"flavour,omitempty"` // flavour of the package: cloud or full
	Image   string `json:"image"`             // path of the image
	Modules string `json:"modules,omitempty"` // folder of the modules; "" if there are none
	Config  string `json:"config,omitempty"`  // path of the configuration; "" if it is not known
	From    string `json:"from"`              // origin, in words
}

// String names the kernel in tables.
func (k *Kernel) String() string { return k.Release }

// Options maps each option of the kernel's configuration, without CONFIG_, to its value as written there (y, m, a number, a string in
// quotes). It is nil if the configuration is not known.
func (k *Kernel) Options() (map[string]string, error) {
	if k.Config == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(k.Config)
	if err != nil {
		return nil, fmt.Errorf("read kernel configuration: %w", err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		name, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if name, ok := strings.CutPrefix(name, "CONFIG_"); ok && found {
			out[name] = value
		}
	}
	return out, nil
}

// require returns a harness.Skip that names the options (without CONFIG_) which the kernel has neither built in nor as modules.
// A kernel whose configuration is not known passes.
func (k *Kernel) require(options ...string) error {
	have, err := k.Options()
	if err != nil || have == nil {
		return err
	}
	var missing []string
	for _, o := range options {
		if v := have[o]; v != "y" && v != "m" {
			missing = append(missing, "CONFIG_"+o)
		}
	}
	if len(missing) > 0 {
		return harness.Skip("kernel %s is built without %s", k.Release, strings.Join(missing, ", "))
	}
	return nil
}

// guestOptions are the options that every guest's kernel needs.
var guestOptions = []string{"BLK_DEV_INITRD", "DEVTMPFS", "SERIAL_8250_CONSOLE", "X86_IOPL_IOPERM", "BPF_SYSCALL", "DEBUG_INFO_BTF"}

// errNotKernel is wrapped by the error about a file that is no kernel image.
var errNotKernel = errors.New("not a kernel image")

// imageRelease reads the release from a compressed x86 image (Documentation/arch/x86/boot.rst: "HdrS" at 0x202, and at 0x20e the
// offset of the text, less 0x200).
func imageRelease(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("open kernel image: %w", err)
	}
	defer f.Close()
	head := make([]byte, 1<<16)
	n, _ := f.Read(head)
	head = head[:n]
	if n < 0x210 || string(head[0x202:0x206]) != "HdrS" {
		return "", fmt.Errorf("open kernel image %s: %w (a bzImage for this machine's architecture is needed)", file, errNotKernel)
	}
	at := int(binary.LittleEndian.Uint16(head[0x20e:])) + 0x200
	if at >= n {
		return "", fmt.Errorf("open kernel image %s: %w: its header points outside the file", file, errNotKernel)
	}
	text, _, _ := bytes.Cut(head[at:], []byte{0})
	release, _, _ := strings.Cut(string(text), " ")
	if release == "" {
		return "", fmt.Errorf("open kernel image %s: %w: it has no release", file, errNotKernel)
	}
	return release, nil
}

// openImage returns the kernel of an image file. It searches modules and configuration in the usual places: beside the image (as in
// a modules folder), in lib/modules/RELEASE of the image's root, and in that of this machine.
func openImage(file string) (*Kernel, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	release, err := imageRelease(file)
	if err != nil {
		return nil, err
	}
	k := &Kernel{Release: release, Image: file, From: file}
	dir := filepath.Dir(file)
	var places []string
	if filepath.Base(dir) == release {
		places = append(places, dir)
	}
	for _, root := range []string{filepath.Dir(dir), dir, "/"} {
		places = append(places, filepath.Join(root, "lib/modules", release), filepath.Join(root, "usr/lib/modules", release))
	}
	k.Modules = firstExisting(places...)
	k.Config = firstExisting(filepath.Join(dir, "config-"+release), filepath.Join(k.Modules, "config"), filepath.Join(dir, "config"))
	return k, nil
}

func openTree(dir string) (*Kernel, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	image := filepath.Join(dir, "arch/x86/boot/bzImage")
	release, err := imageRelease(image)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open kernel tree %s: no arch/x86/boot/bzImage: build the kernel first", dir)
	}
	if err != nil {
		return nil, err
	}
	return &Kernel{Release: release, Image: image, Modules: dir, Config: firstExisting(filepath.Join(dir, ".config")), From: dir}, nil
}

// firstExisting returns the first absolute path that exists, or "".
func firstExisting(paths ...string) string {
	for _, p := range paths {
		if filepath.IsAbs(p) && exists(p) {
			return p
		}
	}
	return ""
}
