// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// A virtme is an installation of virtme-ng, which composes a guest with this machine's root file system, read-only: kernel arguments,
// an initramfs, and QEMU's command line. The lab itself starts QEMU, so that console, channel and exit are those of other guests.
type virtme struct {
	run     string   // path of virtme-run
	busybox string   // path of a static busybox for the initramfs; "": virtme-run finds one
	env     []string // Python's search path
}

// virtmePackages are downloaded and unpacked if virtme-ng is not installed. They need no other package of their suite.
var virtmePackages = []string{"virtme-ng", "busybox-static"}

// FindVirtme returns the path of virtme-run. Its error names what virtme-ng lacks on this machine, itself included.
func FindVirtme() (string, error) {
	for _, tool := range [][2]string{{"python3", "python3"}, {"file", "file"}, {"depmod", "kmod"}, {"modprobe", "kmod"}} {
		if _, err := sys.LookTool(tool[0], tool[1]); err != nil {
			return "", err
		}
	}
	if path, err := sys.LookTool("virtme-run"); err == nil {
		return path, nil
	}
	dir, err := cache.Dir("virtme")
	if err != nil {
		return "", err
	}
	if path := filepath.Join(dir, "root/usr/bin/virtme-run"); exists(path) {
		return path, nil
	}
	return "", errors.New("not fetched yet: a run that needs virtme-ng fetches it")
}

// openVirtme finds virtme-ng on this machine or in the cache, or downloads it.
func openVirtme(ctx context.Context) (*virtme, error) {
	dir, err := cache.Dir("virtme")
	if err != nil {
		return nil, err
	}
	lock, err := cache.Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	root := filepath.Join(dir, "root")
	path, err := FindVirtme()
	if errors.Is(err, harness.ErrNotSupported) {
		return nil, fmt.Errorf("start virtme-ng (kxlab run can do without: --root image): %w", err)
	}
	if err == nil && !strings.HasPrefix(path, root) {
		return &virtme{run: path}, nil
	}
	if err != nil {
		a, err := openAPT(ctx, DefaultSpec)
		if err == nil {
			err = a.install(ctx, root, virtmePackages, nil)
		}
		if err != nil {
			return nil, fmt.Errorf("fetch virtme-ng, which gives guests this machine's root (kxlab run can do without: --root image): %w", err)
		}
	}
	return &virtme{
		run:     filepath.Join(root, "usr/bin/virtme-run"),
		busybox: firstExisting(filepath.Join(root, "usr/bin/busybox"), filepath.Join(root, "bin/busybox")),
		env:     []string{"PYTHONPATH=" + filepath.Join(root, "usr/lib/python3/dist-packages"), "PYTHONDONTWRITEBYTECODE=1"},
	}, nil
}

// shareDir is the path in the guest of the folder with the guest's files.
const shareDir = "/run/kxlab"

// compose makes a folder with the lab's binary, the task and the modules, which the launch's undo removes, and returns QEMU's arguments.
// The folder is named after this process, so that Clean finds it when this process is dead.
func (v *virtme) compose(ctx context.Context, c *Cmd, l *launch, m machine, self string, t task, stdin []byte) ([]string, error) {
	for _, tool := range c.Tools {
		if _, err := sys.LookTool(tool); err != nil {
			return nil, fmt.Errorf("add program to guest: %w", err)
		}
	}
	base, err := cache.Dir("guests")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(base, owner.Prefix+owner.Self()+"-")
	if err != nil {
		return nil, fmt.Errorf("make guest folder: %w", err)
	}
	l.undo = append(l.undo, func() error { return os.RemoveAll(dir) })
	share := filepath.Join(dir, "share")
	if err := fillShare(ctx, share, c, self, t, stdin); err != nil {
		return nil, err
	}
	args := []string{
		v.run, "--kimg", c.Kernel.Image, "--mods", "auto", "--force-9p", "--disable-microvm", "--disable-kvm", "--disable-monitor",
		"--memory", fmt.Sprintf("%dK", m.memory>>10), "--cpus", fmt.Sprint(m.cpus), "--rodir=" + shareDir + "=" + share,
		"--script-sh", "exec " + shareDir + "/kxlab " + agentCommand + " " + shareDir,
		"--save-initramfs", filepath.Join(dir, "initrd"), "--dry-run", "--show-command",
	}
	if v.busybox != "" {
		args = append(args, "--busybox", v.busybox)
	}
	for _, a := range kernelArgs(m.accel) {
		if !strings.HasPrefix(a, "console=") && !strings.HasPrefix(a, "rdinit=") {
			args = append(args, "--kopt", a)
		}
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(append(os.Environ(), v.env...), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	stdout, err := output(ctx, cmd)
	if err != nil {
		return nil, fmt.Errorf("run virtme-run: %w", err)
	}
	words, err := splitShell(lastLines(stdout, 1))
	if err != nil || len(words) < 2 {
		return nil, fmt.Errorf("run virtme-run: no QEMU command in its output: %q", stdout)
	}
	return convertArgs(words[1:]), nil
}

// convertArgs converts a command line of virtme-ng into the lab's. The script's streams become null devices, because the agent writes
// to the channel. Arguments that startGuest or bare add are left out.
func convertArgs(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-no-reboot":
		case a == "-serial", a == "-display", a == "-net", a == "-name":
			i++
		case a == "-chardev" && i+1 < len(args):
			i++
			if _, id, _ := strings.Cut(args[i], "id="); !strings.HasPrefix(id, "console") {
				id, _, _ = strings.Cut(id, ",")
				out = append(out, a, "null,id="+id)
			}
		default:
			out = append(out, a)
		}
	}
	return out
}

// fillShare makes the folder that the guest mounts as shareDir.
func fillShare(ctx context.Context, share string, c *Cmd, self string, t task, stdin []byte) error {
	if err := os.MkdirAll(filepath.Join(share, "modules"), 0o755); err != nil {
		return fmt.Errorf("make guest folder: %w", err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		return fmt.Errorf("make guest folder: %w", err)
	}
	files := []taskFile{{"kxlab", binary, 0o755}}
	if t.Stdin {
		files = append(files, taskFile{stdinName, stdin, 0o644})
	}
	mods, err := c.Kernel.modules(ctx, c.Modules)
	if err != nil {
		return err
	}
	for i, m := range mods {
		files = append(files, taskFile{fmt.Sprintf("modules/%03d-%s.ko", i, m.name), m.data, 0o644})
	}
	for name := range c.Files {
		if !strings.HasPrefix(name, "/tmp/") && !strings.HasPrefix(name, "/run/") {
			return fmt.Errorf("add file to guest: %s: in a guest with this machine's root, files must be in /tmp or /run", name)
		}
	}
	if t.Files, err = taskFiles(c.Files, nil); err != nil {
		return err
	}
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	for _, f := range append(files, taskFile{"task.json", raw, 0o644}) {
		if err := os.WriteFile(filepath.Join(share, f.Path), f.Content, f.Mode); err != nil {
			return fmt.Errorf("make guest folder: %w", err)
		}
	}
	return nil
}

var (
	shellWordRE  = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^ '"])+`)
	shellQuoteRE = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)
)

// splitShell splits a command line as a shell does that knows quotes only, which is how Python's shlex.join writes it.
func splitShell(s string) ([]string, error) {
	if strings.Trim(shellWordRE.ReplaceAllString(s, ""), " ") != "" {
		return nil, errors.New("quote is not closed")
	}
	words := shellWordRE.FindAllString(s, -1)
	for i, w := range words {
		words[i] = shellQuoteRE.ReplaceAllString(w, "$1$2")
	}
	return words, nil
}
