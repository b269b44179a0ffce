// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Facts describe the machine in the record of a run.
type Facts struct {
	Kernel      string // release: "6.18.5"
	CPU         string // model
	CPUs        int    // online
	MemBytes    uint64
	Settings    map[string]string // of the kernel: build options and switches that change the numbers
	Mitigations map[string]string // of CPU flaws, by the kernel's names
	Tools       map[string]string // version of each installed tool
}

// ReadFacts reads the facts of this machine. An unreadable fact is empty; only an unreadable kernel release is an error.
func ReadFacts(ctx context.Context) (Facts, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Facts{}, fmt.Errorf("read kernel release: %w", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	f := Facts{
		Kernel: release, CPU: cpuModel(), CPUs: runtime.NumCPU(), MemBytes: memory(), Settings: settings(release),
		Mitigations: folder("/sys/devices/system/cpu/vulnerabilities"), Tools: map[string]string{},
	}
	for _, t := range tools {
		if v, err := t.version(ctx); err == nil {
			f.Tools[t.command] = v
		}
	}
	return f, nil
}

// cpuModel is the first CPU's model; the architecture where the kernel gives no model (arm64).
func cpuModel() string {
	text := line("/proc/cpuinfo")
	if m := field(text, "model name"); m != "" {
		return strings.Join(strings.Fields(m), " ")
	}
	if m := field(text, "CPU part"); m != "" {
		return runtime.GOARCH + " implementer " + field(text, "CPU implementer") + " part " + m
	}
	return runtime.GOARCH
}

func memory() uint64 {
	kib, _ := strconv.ParseUint(strings.TrimSuffix(field(line("/proc/meminfo"), "MemTotal"), " kB"), 10, 64)
	return kib << 10
}

// field returns the value of the first "name : value" line.
func field(text, name string) string {
	for l := range strings.Lines(text) {
		if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// folder reads a folder of one-line files.
func folder(dir string) map[string]string {
	out := map[string]string{}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if v := line(filepath.Join(dir, e.Name())); v != "" {
			out[e.Name()] = v
		}
	}
	return out
}

// line returns the text of a file without white space at its ends; "" if it cannot be read.
func line(path string) string {
	raw, _ := os.ReadFile(path)
	return strings.TrimSpace(string(raw))
}
