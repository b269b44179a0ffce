// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// A virtme is virtme-ng, which composes a guest that has this machine's root file system, read-only: kernel arguments, an
// initramfs, and QEMU's command line. QEMU is then started as for any other guest, so that it has the same console, the
// same channel and the same end.
type virtme struct {
	run     string   // virtme-run
	busybox string   // a static one, for the initramfs; "": let virtme-run look for it
	env     []string // where Python finds its parts
}

// virtmePackages are fetched and unpacked where they are not installed. Both are in one suite and need nothing of it.
var virtmePackages = []string{"virtme-ng", "busybox-static"}

// FindVirtme says where virtme-ng is, or what is missing for it; that it is not fetched yet is missing, too.
func FindVirtme() (string, error) {
	for _, tool := range [][2]string{{"python3", "python3"}, {"file", "file"}, {"depmod", "kmod"}, {"modprobe", "kmod"}} {
		if _, err := sys.LookTool(tool[0], tool[1]); err != nil {
			return "", err
		}
	}
	if path, err := sys.LookTool("virtme-run"); err == nil {
		return path, nil
	}
	dir, err := cacheDir("virtme")
	if err != nil {
		return "", err
	}
	if path := filepath.Join(dir, "root/usr/bin/virtme-run"); exists(path) {
		return path, nil
	}
	return "", errors.New("not fetched yet: a run that needs virtme-ng fetches it")
}

// openVirtme finds virtme-ng on this machine, or in the cache, or fetches it.
func openVirtme(ctx context.Context) (*virtme, error) {
	dir, err := cacheDir("virtme")
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(ctx, filepath.Join(dir, "lock"))
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
		if err := fetchVirtme(ctx, dir, root); err != nil {
			return nil, fmt.Errorf("fetch virtme-ng, which gives guests this machine's root (kxlab run can do without: --root image): %w", err)
		}
	}
	return &virtme{
		run:     filepath.Join(root, "usr/bin/virtme-run"),
		busybox: firstThere(filepath.Join(root, "usr/bin/busybox"), filepath.Join(root, "bin/busybox")),
		env:     []string{"PYTHONPATH=" + filepath.Join(root, "usr/lib/python3/dist-packages"), "PYTHONDONTWRITEBYTECODE=1"},
	}, nil
}

func fetchVirtme(ctx context.Context, dir, root string) error {
	a, err := openAPT(ctx, DefaultSpec)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, "part-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := a.download(ctx, tmp, tmp, virtmePackages); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	return os.Rename(tmp, root)
}

// shareDir is where the guest sees what belongs to it.
const shareDir = "/run/kxlab"

// virtmeGuest is a virtme guest that is ready to be started.
type virtmeGuest struct {
	dir  string   // of this machine, with all that belongs to the guest
	args []string // of QEMU
}

// Close removes what belongs to the guest.
func (c *virtmeGuest) Close() error { return os.RemoveAll(c.dir) }

// compose prepares a virtme guest: a folder of its own with the lab's binary, the task and the modules, and QEMU's arguments.
// The folder is named after its owner, so that it can be found when that is dead.
func (v *virtme) compose(ctx context.Context, c *Cmd, self string, t task, stdin []byte, m machine) (_ *virtmeGuest, err error) {
	for _, tool := range c.Tools {
		if _, err := sys.LookTool(tool); err != nil {
			return nil, fmt.Errorf("add program to guest: %w", err)
		}
	}
	base, err := cacheDir("guests")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(base, owner.Prefix+owner.Self()+"-")
	if err != nil {
		return nil, fmt.Errorf("make guest folder: %w", err)
	}
	out := &virtmeGuest{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.Close())
		}
	}()
	share := filepath.Join(dir, "share")
	if err := fillShare(ctx, share, c, self, t, stdin); err != nil {
		return nil, err
	}
	initrd := filepath.Join(dir, "initrd")
	args := []string{
		v.run, "--kimg", c.Kernel.Image, "--mods", "auto", "--force-9p", "--disable-microvm", "--disable-kvm", "--disable-monitor",
		"--memory", fmt.Sprintf("%dK", m.memory>>10), "--cpus", fmt.Sprint(m.cpus), "--rodir=" + shareDir + "=" + share,
		"--script-sh", "exec " + shareDir + "/kxlab " + agentCommand + " " + shareDir,
		"--save-initramfs", initrd, "--dry-run", "--show-command",
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
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run virtme-run: %w: %s", err, lastLines(stderr.String(), 4))
	}
	words, err := splitShell(lastLine(stdout.String()))
	if err != nil || len(words) < 2 {
		return nil, fmt.Errorf("run virtme-run: it names no QEMU command: %q", stdout.String())
	}
	out.args = rewire(words[1:])
	return out, nil
}

// rewire makes a command line of virtme-ng one of the lab's: the script's streams lead nowhere, because the agent has a channel of
// its own, and the console is declared elsewhere. What it leaves out is added by startGuest.
func rewire(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-serial", a == "-display", a == "-net", a == "-name":
			i++
			continue
		case a == "-chardev" && i+1 < len(args):
			value := args[i+1]
			i++
			if strings.Contains(value, "id=console") {
				continue
			}
			_, id, _ := strings.Cut(value, "id=")
			id, _, _ = strings.Cut(id, ",")
			out = append(out, a, "null,id="+id)
			continue
		case a == "-no-reboot":
			continue
		}
		out = append(out, a)
	}
	return out
}

// fillShare makes the folder that the guest sees as shareDir.
func fillShare(ctx context.Context, share string, c *Cmd, self string, t task, stdin []byte) error {
	if err := os.MkdirAll(filepath.Join(share, "modules"), 0o755); err != nil {
		return fmt.Errorf("make guest folder: %w", err)
	}
	put := func(name string, data []byte, mode fs.FileMode) error {
		if err := os.WriteFile(filepath.Join(share, name), data, mode); err != nil {
			return fmt.Errorf("make guest folder: %w", err)
		}
		return nil
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		return fmt.Errorf("make guest folder: %w", err)
	}
	if err := put("kxlab", binary, 0o755); err != nil {
		return err
	}
	if t.Stdin {
		if err := put(stdinName, stdin, 0o644); err != nil {
			return err
		}
	}
	mods, err := c.Kernel.modules(ctx, c.Modules)
	if err != nil {
		return err
	}
	for i, m := range mods {
		if err := put(fmt.Sprintf("modules/%03d-%s.ko", i, m.name), m.data, 0o644); err != nil {
			return err
		}
	}
	for name, f := range c.Files {
		if !strings.HasPrefix(name, "/tmp/") && !strings.HasPrefix(name, "/run/") {
			return fmt.Errorf("add file to guest: %s: a guest with this machine's root can have files in /tmp and /run only", name)
		}
		data := f.Content
		if f.Source != "" {
			if data, err = os.ReadFile(f.Source); err != nil {
				return fmt.Errorf("add file to guest: %w", err)
			}
		}
		t.Files = append(t.Files, taskFile{Path: name, Content: data, Mode: max(f.Mode.Perm(), 0o444)})
	}
	slices.SortFunc(t.Files, func(a, b taskFile) int { return strings.Compare(a.Path, b.Path) })
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return put("task.json", raw, 0o644)
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// splitShell splits a command line as a shell does that knows single quotes, which is how Python's shlex.join writes them.
func splitShell(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, inWord := rune(0), false
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("quote is not closed")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
