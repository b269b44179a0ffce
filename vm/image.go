// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
)

// A File is put into the guest's root file system.
type File struct {
	Content []byte      // what is in it, or else
	Source  string      // the path of this machine's file to copy; a link is followed
	Mode    fs.FileMode // permissions; 0: 0644, or those of Source
}

// An image is the initramfs of one guest: a base, which is cached, and what belongs to this one guest.
type image struct {
	file *os.File // without a name, so that it goes with the process
	size int64    // bytes
}

func (i *image) Close() error { return i.file.Close() }

// layout is what every guest has: the usual places, where merged folders point, and what programs look up.
func layout() []entry {
	var out []entry
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/root", "/var/tmp", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/etc", guestDir} {
		out = append(out, entry{name: dir, mode: modeDir | 0o755})
	}
	out = append(out, entry{name: "/tmp", mode: modeDir | 0o1777})
	for _, dir := range merged {
		out = append(out, entry{name: dir, mode: modeLink | 0o777, content: []byte("usr" + dir)})
	}
	for name, text := range map[string]string{
		"/etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"/etc/group":         "root:x:0:\nnogroup:x:65534:\n",
		"/etc/hosts":         "127.0.0.1 localhost guest\n::1 localhost\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nprotocols: files\nservices: files\n",
		"/etc/protocols":     "ip 0 IP\nicmp 1 ICMP\nipencap 4 IP-ENCAP\ntcp 6 TCP\nudp 17 UDP\nipv6 41 IPv6\nipv6-icmp 58 IPv6-ICMP\n",
		"/etc/services":      "http 80/tcp\nhttps 443/tcp\n",
	} {
		out = append(out, entry{name: name, mode: modeFile | 0o644, content: []byte(text)})
	}
	return append(out,
		entry{name: "/dev/console", mode: modeChar | 0o600, major: 5, minor: 1},
		entry{name: "/dev/null", mode: modeChar | 0o666, major: 1, minor: 3},
		entry{name: "/init", mode: modeLink | 0o777, content: []byte(selfPath)})
}

// merged are the folders that lie in /usr, in the guest whether or not they do on this machine.
var merged = []string{"/bin", "/sbin", "/lib", "/lib64"}

const (
	guestDir = "/kxlab"         // what the guest's first process needs
	selfPath = "/usr/bin/kxlab" // the lab's own binary
	taskPath = guestDir + "/task.json"
)

// guestPath is where a path of this machine lies in the guest.
func guestPath(path string) string {
	for _, dir := range merged {
		if strings.HasPrefix(path, dir+"/") {
			return "/usr" + path
		}
	}
	return path
}

// toolData are the files that a tool opens at run time, as patterns of this machine's paths.
func toolData(tool string) []string {
	libs := []string{"/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib"}
	var out []string
	for _, dir := range libs {
		switch name := filepath.Base(tool); {
		case strings.HasPrefix(name, "iptables"), strings.HasPrefix(name, "ip6tables"), strings.HasPrefix(name, "xtables"):
			out = append(out, dir+"/xtables/*.so")
		case name == "tc":
			out = append(out, dir+"/tc/*")
		}
	}
	return out
}

// base lists what a guest needs beyond its task: layout, the lab's binary, tools with their libraries, modules. Modules
// are numbered in the order in which they are to be loaded.
func base(k *Kernel, self string, tools, modules []string) ([]entry, error) {
	out := layout()
	out, err := appendProgram(out, self, selfPath)
	if err != nil {
		return nil, err
	}
	for _, tool := range tools {
		path, err := findTool(tool)
		if err != nil {
			return nil, err
		}
		if out, err = appendProgram(out, path, path); err != nil {
			return nil, err
		}
		for _, pattern := range toolData(tool) {
			files, err := filepath.Glob(pattern)
			if err != nil {
				return nil, err
			}
			for _, f := range files {
				if out, err = appendProgram(out, f, f); err != nil { // extensions have libraries of their own
					return nil, err
				}
			}
		}
	}
	mods, err := k.modules(modules)
	if err != nil {
		return nil, err
	}
	for i, m := range mods {
		out = append(out, entry{name: fmt.Sprintf("%s/modules/%03d-%s.ko", guestDir, i, m.name), mode: modeFile | 0o644, content: m.data})
	}
	return sortEntries(out), nil
}

// findTool finds a program of this machine, also where only root has it on its path.
func findTool(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path := filepath.Join(dir, name); exists(path) {
			return path, nil
		}
	}
	return "", harness.Skip("program %s, which the guest needs, is not installed", name)
}

// appendProgram adds a program of this machine under a name in the guest, with its libraries. Links stay links, so that a
// program that goes by several names is there once.
func appendProgram(out []entry, path, name string) ([]entry, error) {
	out, err := appendFile(out, path, guestPath(name))
	if err != nil {
		return nil, err
	}
	libs, err := libraries(path)
	if err != nil {
		return nil, err
	}
	for _, lib := range libs {
		if out, err = appendFile(out, lib, guestPath(lib)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// appendFile adds a file of this machine, and where it is a link what it points to, under a name in the guest.
func appendFile(out []entry, path, name string) ([]entry, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("add file to guest: %w", err)
	}
	if target := guestPath(real); real != filepath.Clean(path) && target != name && name == guestPath(path) {
		out = append(out, entry{name: name, mode: modeLink | 0o777, content: []byte(target)})
		name = target
	}
	data, err := os.ReadFile(real)
	if err != nil {
		return nil, fmt.Errorf("add file to guest: %w", err)
	}
	st, err := os.Stat(real)
	if err != nil {
		return nil, fmt.Errorf("add file to guest: %w", err)
	}
	return append(out, entry{name: name, mode: modeFile | uint32(st.Mode().Perm()), content: data}), nil
}

// buildImage makes the initramfs of one guest. The base is made only if none of its content is in the cache.
func buildImage(ctx context.Context, c *Cmd, self string, t task) (*image, error) {
	baseFile, err := cachedBase(ctx, c, self)
	if err != nil {
		return nil, err
	}
	defer baseFile.Close()
	var own []entry
	for name, f := range c.Files {
		e := entry{name: guestPath(filepath.Clean(name)), mode: modeFile | uint32(f.Mode.Perm()), content: f.Content}
		if !filepath.IsAbs(name) {
			return nil, fmt.Errorf("add file to guest: path %q is not absolute", name)
		}
		if f.Source != "" {
			added, err := appendFile(nil, f.Source, e.name)
			if err != nil {
				return nil, err
			}
			e.content = added[0].content
			if f.Mode == 0 {
				e.mode = added[0].mode
			}
		} else if f.Mode == 0 {
			e.mode = modeFile | 0o644
		}
		own = append(own, e)
	}
	raw, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	own = append(own, entry{name: taskPath, mode: modeFile | 0o644, content: raw})
	var tail bytes.Buffer
	if err := writeCPIO(&tail, sortEntries(own), 1<<20); err != nil {
		return nil, err
	}
	f, err := unnamed()
	if err != nil {
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	n, err := io.Copy(f, baseFile)
	if err == nil {
		_, err = f.Write(tail.Bytes())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	return &image{file: f, size: n + int64(tail.Len())}, nil
}

// unnamed makes a file in the cache that nobody else sees and that goes with the last process that has it open.
func unnamed() (*os.File, error) {
	dir, err := cacheDir("images")
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "guest-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// cachedBase opens the base image that has this content, making it first if need be.
func cachedBase(ctx context.Context, c *Cmd, self string) (*os.File, error) {
	entries, err := base(c.Kernel, self, c.Tools, c.Modules)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	if err := writeCPIO(h, entries, 1); err != nil {
		return nil, err
	}
	dir, err := cacheDir("images")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, hex.EncodeToString(h.Sum(nil))[:32]+".cpio")
	if f, err := os.Open(path); err == nil {
		now := time.Now()
		_ = os.Chtimes(path, now, now) // so that it is kept
		return f, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open guest image: %w", err)
	}
	tmp, err := os.CreateTemp(dir, "part-")
	if err != nil {
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := writeCPIO(tmp, entries, 1); err != nil {
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	if err := tmp.Close(); err != nil {
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return nil, fmt.Errorf("write guest image: %w", err)
	}
	prune(dir)
	return os.Open(path)
}

// keepImages is how many base images the cache holds.
const keepImages = 6

// prune removes all but the base images used last. Who has one open keeps it.
func prune(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.cpio"))
	age := map[string]time.Time{}
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			age[f] = st.ModTime()
		}
	}
	slices.SortFunc(files, func(a, b string) int { return age[b].Compare(age[a]) })
	for _, f := range files[min(len(files), keepImages):] {
		_ = os.Remove(f)
	}
}
